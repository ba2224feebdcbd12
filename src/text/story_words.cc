// The words of the stories.  Lists are long on purpose: text from few words would be too easy a measure for a model.
#include "text/story_words.h"

namespace facet {

const std::string_view kStoryWords = R"(
girl_name = Mia | Lily | Anna | Zoe | Emma | Ruby | Clara | Nora | Ella | Rosa | Maya | Ivy | Lucy | Sara | Tina | Amy | Molly | Hana
  | Priya | Leila | Carmen | Julia | Daisy | Alice | Eva | Nina | Olga | Petra | Freya | Greta | Holly | Jane | Kate | Lena | Marta
  | Nell | Poppy | Rita | Sofia | Tara | Uma | Vera | Wendy | Yara | Zara | Bella | Cora | Dora | Elsa | Fiona | Gina | Helen | Iris
  | June | Kira | Lola | Mona | Pearl | Rose | Stella | Tess | Willa | Amina | Bianca | Celia | Esme
boy_name = Tom | Ben | Sam | Max | Leo | Jack | Finn | Noah | Omar | Paul | Peter | Oscar | Hugo | Ivan | Jonas | Karl | Luca | Mark
  | Nico | Otto | Pablo | Ravi | Simon | Tim | Victor | Will | Yusuf | Adam | Brian | Carlos | David | Eric | Felix | George | Henry
  | Isaac | Jamal | Kenji | Liam | Milo | Ned | Owen | Philip | Ralph | Samir | Theo | Tony | Walter | Zach | Arthur | Bruno | Colin
  | Daniel | Edgar | Frank | Gus | Harry | Jasper | Kofi | Lars | Marco | Nate | Pedro | Rory | Stefan
animal_kind = rabbit | fox | bear | mouse | squirrel | hedgehog | otter | badger | frog | duck | owl | beaver | mole | raccoon | deer
  | turtle | kitten | puppy | lamb | goat | pony | pig | raven | penguin | monkey | elephant | tiger | lion | panda | koala
lady_name = Mrs. Reed | Mrs. Bell | Miss Green | Mrs. Brown | Mrs. Lopez | Miss Hill | Mrs. Wood | Mrs. Khan | Miss Moss | Mrs. Frost
  | Mrs. Park | Miss Lane | Mrs. Sato | Mrs. Cook | Grandma | Aunt Jo | Aunt May | Aunt Sue | Granny Fern | Nana
gentleman_name = Mr. Reed | Mr. Bell | Mr. Green | Mr. Brown | Mr. Lopez | Mr. Hill | Mr. Wood | Mr. Khan | Mr. Moss | Mr. Frost
  | Mr. Park | Mr. Lane | Mr. Sato | Mr. Cook | Grandpa | Uncle Joe | Uncle Ray | Uncle Dan | Captain Gray | Papa Finch
lady_job = baker | farmer | teacher | nurse | painter | gardener | librarian | shopkeeper | doctor | singer | weaver | cook | captain
gentleman_job = baker | farmer | teacher | carpenter | painter | gardener | fisherman | shopkeeper | doctor | mailman | blacksmith | cook
  | sailor | shepherd
family = mother | father | mom | dad | grandmother | grandfather | big sister | little sister | big brother | little brother | aunt | uncle
  | cousins | parents | family | two sisters | three brothers | twin sister | grandparents
pet_name = Biscuit | Pepper | Socks | Patch | Whiskers | Rusty | Bubbles | Shadow | Cocoa | Peanut | Button | Muffin | Fluffy | Sparky
  | Ginger | Mittens | Pickle | Waffles | Bingo | Coco | Snowball | Tiger | Domino | Hazel | Olive | Maple | Pebble | Noodle
pet_kind = dog | cat | puppy | kitten | parrot | rabbit | hamster | duckling | goat | lamb | pony | turtle

introduce_child = <a.p> friend | <a.p> friend | <a.p> neighbor | <a.p> cousin | a(n) <trait> <kind> {named|called} | a <kind> {named|called}
  | little | <a.p> best friend | a(n) <trait> <kind> from next door {named|called} | <a.p> schoolmate
introduce_animal = <a.p> friend | a(n) <trait> <kind> {named|called} | a(n) <trait> <kind> {named|called} | a(n) <kind> {named|called}
  | a {young|small|big} <kind> {named|called}
introduce_old_animal = {an old|a wise old|a kind old|an old gray|a big old|a wise} <kind> {named|called}

color = red | blue | green | yellow | orange | purple | pink | brown | black | white | gray | golden | silver
look = small | big | shiny | old | new | tiny | round | bright | pretty | fancy | smooth | striped | spotted | little | heavy | light | strange
  | funny | lovely | plain | dusty | clean | beautiful | simple | fine | odd | sturdy | cheap | special | huge | wonderful | curious
  | worn | painted | neat | rare | wooden | soft | thin | handmade | polished | faded
toy = ball | kite | doll | drum | whistle | top | marble | puppet | robot | toy boat | toy train | toy truck | teddy bear | yo-yo | puzzle
  | rocket | balloon | toy car | jump rope | hoop | rattle | toy plane | toy horse | block | paper boat | mask | crown | cape | slingshot
  | music box | toy sword | snow globe | pinwheel | rag doll | toy dragon
treasure = ring | shell | feather | key | coin | button | stamp | card | pebble | crystal | bead | medal | ribbon | bell | acorn | locket
  | map | letter | stone | bracelet | necklace | brooch | ticket | badge | pearl | fossil | arrowhead | postcard
garment = hat | scarf | mitten | glove | coat | sweater | boot | sock | belt | cap | apron | shawl | jacket | bonnet | raincoat | vest | slipper
tool = bucket | shovel | rope | net | ladder | hammer | broom | basket | lantern | umbrella | brush | spoon | cup | jar | blanket | book
  | pencil | paintbrush | flute | mirror | compass | teapot | pillow | comb | notebook | fan | clock | watch | magnet | spyglass | bowl
  | candle | box | backpack | wagon | sled | scooter | bike | flashlight | camera | suitcase | chair | vase | mug | tray | wheel | pot
loseable = <toy> | <toy> | <treasure> | <treasure> | <garment> | <tool>
playable = <toy> | <toy> | <toy> | <tool> | <garment>
breakable = kite | doll | drum | toy boat | toy train | toy truck | puppet | robot | music box | wagon | sled | scooter | teapot | cup
  | vase | chair | clock | basket | lantern | umbrella | ladder | snow globe | rocket | bowl | flute | lamp | mirror | bike | birdhouse
  | toy plane | picture frame | shelf | necklace | toy castle
mender = glue | tape | a needle and thread | a hammer and nails | some string | a bit of wire | paint and glue | a strong rope | sticky clay
  | a piece of cloth | two screws | a new wheel | a wooden peg | a rubber band | a patch of leather
long_tool = ladder | long stick | broom | fishing rod | rope | long pole | rake | net on a pole | pair of tongs | branch with a hook

outdoor_place = in the park | in the garden | at the beach | in the forest | in the meadow | on the farm | in the orchard | by the pond
  | by the river | at the playground | at the market | on the hill | in the village square | in the school yard | at the harbor
  | in the field | by the lake | in the woods | at the bus stop | in the back yard | at the fair | by the old mill | on the green
  | at the campsite | by the bridge | in the valley | near the windmill | at the train station | in the vineyard | by the waterfall
indoor_place = in the kitchen | in the attic | in the barn | at the library | at school | at the bakery | in the toy shop | in the bedroom
  | in the living room | in the basement | in the shed | in the classroom | at the museum | in the workshop | in the cabin | in the playroom
  | in the hallway | in the old house | in the laundry room | in the music room
indoor_goal = to the {kitchen|attic|barn|library|bakery|toy shop|bedroom|living room|basement|shed|classroom|museum|workshop|cabin|playroom}
outdoor_spot = under the bench | behind the big tree | in the tall grass | next to the fountain | under a pile of leaves | in the bushes
  | by the gate | behind the stone wall | inside a hollow log | on top of a rock | near the well | between two rocks | in a puddle
  | beside the path | under the wooden bridge | behind the swing | in a flower pot | under the cart | near the fence | in a bird nest
  | under a bush | beside the rose bed | behind the shed | in the sandbox | at the foot of the slide | under the steps | in a ditch
  | behind a barrel | among the daisies | next to a tree stump | under the picnic table | in the mud | on a low branch | in an empty bucket
indoor_spot = behind the sofa | in the drawer | on the top shelf | under the table | inside the closet | behind the curtain
  | in the toy box | under the rug | beside the lamp | on the window sill | behind the door | behind a plant
  | in a boot | inside the piano | on the chair | next to the stove | behind the clock | in a coat pocket | under the stairs
  | in the cupboard | behind the bookcase | inside a vase | under a blanket | in the trash can | on the piano stool | in a teapot
  | between the cushions | under the desk | in an old suitcase | behind the mirror | inside a hat box
container = basket | box | drawer | bag | jar | chest | cupboard | bucket | suitcase | pocket | cabinet | trunk | crate | bowl | backpack
  | barrel | sack | tin | hat | wardrobe
high_spot = on the roof | in the tall oak tree | on a high branch | on top of the wall | on the flagpole | on the barn roof | in the apple tree
  | on a street lamp | on the church tower | on top of the bookcase | on the highest shelf | on a cliff | in a pine tree | on the chimney
  | on the balcony | on the edge of the bridge | on the top of the haystack | on a window ledge

fruit = apples | pears | plums | cherries | peaches | grapes | oranges | berries | bananas | lemons | figs | nuts | melons | strawberries
sweets = cookies | cupcakes | muffins | pancakes | candies | buns | tarts | waffles | biscuits | rolls | donuts | pretzels | crackers
countable = apples | pears | plums | peaches | oranges | bananas | cookies | cupcakes | muffins | candies | buns | shells | marbles
  | stickers | feathers | flowers | acorns | beads | balloons | buttons | stones | eggs | carrots | potatoes | pencils | cards | coins
  | seeds | stamps | crayons
dish = soup | pie | cake | stew | bread | pudding | salad | pizza | jam | porridge | omelet | apple pie | cherry cake | lemonade | fruit salad
  | vegetable soup | birthday cake | corn bread | ginger bread | berry tart | noodle soup
sweet_dish = {apple|cherry|plum|pear|lemon|nut|honey|carrot|chocolate|birthday|berry|ginger} {cake|pie|cake|tart|bread} | pudding | pancakes | fruit salad
  | lemon cookies | honey buns | berry jam | sweet porridge | chocolate muffins | waffles
hearty_dish = {vegetable|noodle|bean|potato|tomato|onion|corn|carrot|mushroom|cheese|pea} {soup|stew|soup|pie} | corn bread | pizza | an omelet
  | potato salad | fried rice | cheese bread | dumplings | baked beans
sweet_part = flour | eggs | milk | butter | sugar | honey | apples | nuts | raisins | cream | berries | cinnamon | oats | lemons | chocolate
  | pears | plums | vanilla | jam | yeast | cherries
hearty_part = carrots | potatoes | cheese | onions | tomatoes | beans | corn | rice | salt | peas | mushrooms | eggs | flour | butter | garlic
  | noodles | cabbage | pepper | parsley | peppers | spinach
coat = brown | black | white | gray | golden | orange | yellow | spotted | striped
ingredient = flour | eggs | milk | butter | sugar | honey | apples | nuts | raisins | salt | carrots | potatoes | cheese | cream | onions
  | berries | cinnamon | oats | tomatoes | lemons | beans | corn | rice | chocolate
plant = sunflower | bean | pumpkin | rose | tomato | carrot | strawberry | tulip | apple tree | daisy | pea | melon | pepper | corn | lily
  | cherry tree | cucumber | radish
bird = robin | sparrow | crow | pigeon | owl | duck | goose | swan | blackbird | woodpecker | gull | magpie | finch | jay
tree = oak | pine | birch | willow | maple | apple tree | chestnut | elm | cedar | cherry tree
bug = bee | butterfly | beetle | ladybug | ant | snail | cricket | dragonfly | spider | worm | firefly | moth

trait = kind | brave | shy | clever | cheerful | curious | quiet | lively | gentle | funny | patient | busy | careful | dreamy | friendly
  | honest | lazy | loud | messy | neat | polite | proud | silly | stubborn | sleepy | thoughtful | young | playful | eager | helpful | bold
glad = happy | glad | pleased | delighted | cheerful | overjoyed | very happy | so happy | thrilled | full of joy | excited
sad = sad | upset | unhappy | worried | miserable | very sad | sorry | close to tears | heartbroken | gloomy | troubled
angry = angry | cross | mad | annoyed | grumpy | furious | upset
scared = scared | afraid | frightened | nervous | anxious | terrified | uneasy
tired = tired | sleepy | worn out | weary | exhausted | out of breath
surprised = surprised | amazed | astonished | puzzled | startled | stunned
nice = nice | lovely | wonderful | good | great | pleasant | perfect | beautiful | fine | special | splendid
quickly = quickly | slowly | carefully | quietly | at once | right away | without a sound | in a hurry | step by step | with great care
  | as fast as <a.he> could | gently | calmly | eagerly | with a sigh | with a grin
happily = happily | proudly | with a big smile | cheerfully | gladly | softly | kindly | brightly | warmly | with shining eyes | merrily
sadly = sadly | softly | quietly | with a sigh | with tears in <a.his> eyes | in a small voice | slowly | gloomily
body_ache = tired feet | cold hands | a runny nose | muddy boots | a sore knee | wet hair | dusty hands | red cheeks | a rumbling tummy

number_word = two | three | four | five | six | seven | eight | nine | ten
days = two | three | four | five | six | seven
season = spring | summer | autumn | winter
weekday = Monday | Tuesday | Wednesday | Thursday | Friday | Saturday | Sunday
daypart = morning | afternoon | evening | day
home = in a small house near the woods | in a tall house in the city | on a farm | in a village by the sea | at the edge of the forest
  | in a cozy cottage | near a busy market | in a little town | on a quiet street | by a wide river | next to the school | above a bakery
  | in a red brick house | at the top of a hill | near the train tracks | in a houseboat | in a valley | across from the park
burrow = under an old oak tree | in a hollow log | beside a clear stream | in a cozy den | at the edge of the meadow | in a nest of leaves
  | near the tall reeds | in a warm burrow | behind the waterfall | on a sunny hill | deep in the forest | by the blue lake
hobby = drawing pictures | climbing trees | reading books | singing songs | riding a bike | baking | building towers | catching bugs
  | picking flowers | flying kites | playing chess | telling jokes | telling stories | swimming | dancing | digging holes | collecting stones
  | playing the drum | looking at the stars | feeding birds | painting | running races | jumping in puddles | making hats | solving puzzles
  | fishing | playing ball | watching clouds | learning new words | whistling | cooking soup | growing plants | fixing things
  | skipping rope | hunting for treasure | counting things | sleeping late | asking questions | exploring | playing tricks
)";

}  // namespace facet
