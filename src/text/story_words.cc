// The words of the stories.  Lists are long on purpose: text from few words would be too easy a measure for a model.
#include "text/story_words.h"

namespace facet {

const std::string_view kStoryWords = R"(
girl_name = Mia | Lily | Anna | Zoe | Emma | Ruby | Clara | Nora | Ella | Rosa | Maya | Ivy | Lucy | Sara | Tina | Amy
  | Molly | Hana | Priya | Leila | Carmen | Julia | Daisy | Alice | Eva | Nina | Olga | Petra | Freya | Greta | Holly
  | Jane | Kate | Lena | Marta | Nell | Poppy | Rita | Sofia | Tara | Uma | Vera | Wendy | Yara | Zara | Bella | Cora
  | Dora | Elsa | Fiona | Gina | Helen | Iris | June | Kira | Lola | Mona | Pearl | Rose | Stella | Tess | Willa
  | Amina | Bianca | Celia | Esme | Ada | Agnes | Anita | April | Aria | Beth | Bonnie | Chloe | Dana | Della | Diana
  | Edith | Elena | Emily | Erin | Faith | Flora | Gloria | Grace | Hazel | Heidi | Ida | Ines | Ingrid | Isla | Jade
  | Jenny | Joy | Judy | Karen | Katya | Laura | Leah | Linda | Lotte | Luna | Mabel | Maggie | Mary | Matilda | Mei
  | Miriam | Nadia | Naomi | Paula | Penny | Phoebe | Rachel | Sally | Sandra | Selma | Sonia | Susan
  | Tilda | Trudy | Ursula | Violet | Wilma | Yuki
boy_name = Tom | Ben | Sam | Max | Leo | Jack | Finn | Noah | Omar | Paul | Peter | Oscar | Hugo | Ivan | Jonas | Karl
  | Luca | Mark | Nico | Otto | Pablo | Ravi | Simon | Tim | Victor | Will | Yusuf | Adam | Brian | Carlos | David
  | Eric | Felix | George | Henry | Isaac | Jamal | Kenji | Liam | Milo | Ned | Owen | Philip | Ralph | Samir | Theo
  | Tony | Walter | Zach | Arthur | Bruno | Colin | Daniel | Edgar | Frank | Gus | Harry | Jasper | Kofi | Lars
  | Marco | Nate | Pedro | Rory | Stefan | Aaron | Abel | Alan | Albert | Alfie | Amir | Andy | Anton | Axel | Basil
  | Bill | Bob | Boris | Caleb | Chen | Chris | Cyrus | Dean | Dennis | Dylan | Eddie | Elias | Emil | Ethan | Ezra
  | Fred | Gabe | Gavin | Glen | Hans | Hassan | Howard | Ian | Igor | Jacob | James | Jerry | Jim | Joel | John
  | Julian | Kai | Kevin | Kurt | Lewis | Louis | Lukas | Martin | Matteo | Miguel | Mike | Nils | Oliver | Patrick
  | Pierre | Quinn | Ray | Robin | Roger | Ross | Rufus | Sean | Steve | Tariq | Toby | Vince | Wesley | Yan
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
adverb = slowly | quickly | softly | loudly | gently | quietly | carefully | happily | sadly | proudly | shyly
  | bravely | calmly | eagerly | kindly | politely | firmly | warmly | brightly | merrily | nervously | patiently
  | seriously | suddenly | thoughtfully | wisely | cheerfully | dreamily | gladly | honestly | lazily | lightly
  | neatly | playfully | promptly | secretly | silently | simply | steadily | sweetly | timidly | wearily | wildly
  | clumsily | cautiously | boldly | gracefully | hopefully | noisily | swiftly | smoothly | solemnly | stubbornly
  | curiously | anxiously | awkwardly | busily | grandly | humbly
how = <adverb> | <adverb> | <adverb> | <adverb> | without a word | in a low voice | with a nod | with a wink
  | with a shrug | with a grin | with a laugh | with a sigh | with a smile | after a pause | at once | for a moment
  | once more
color = red | blue | green | yellow | orange | purple | pink | brown | black | white | gray | golden | silver
look = small | big | shiny | old | new | tiny | round | bright | pretty | fancy | smooth | striped | spotted | little
  | heavy | light | strange | funny | lovely | plain | dusty | clean | beautiful | simple | fine | odd | sturdy
  | cheap | special | huge | wonderful | curious | worn | painted | neat | rare | wooden | soft | thin | handmade
  | polished | faded | crooked | sticky | rusty | muddy | wet | dry | warm | cold | flat | square | long | short
  | narrow | wide | thick | sharp | rough | bent | cracked | torn | patched | fluffy | fuzzy | hairy | silky
 
  | noisy | quiet | hollow | solid | gentle | magic | secret | hidden | mysterious | famous | precious
  | expensive | borrowed | forgotten | well-made | homemade | old-fashioned | ancient | modern
  | foreign | royal | elegant | ugly | cute | silly | clumsy | tidy | messy | sparkling | glittering | glowing
  | shimmering | dull | dark | pale | checkered | dotted | flowery | wavy | curly | pointed | oval | giant | enormous
  | gigantic | slim | slender | tall | low | deep | stiff | loose | tight | folding | spinning | wobbly | creaky
  | squeaky | fragile | strong | weak | perfect | ordinary | common | useful | empty | full | chipped | scratched
  | stained | frozen | melted | scented | sweet-smelling | carved | knitted | embroidered | oiled | waxed
  | second-hand | brand-new | pocket-sized | weather-beaten | dented | lopsided | twisted | speckled | frayed
  | gleaming
toy = ball | kite | doll | drum | whistle | top | marble | puppet | robot | toy boat | toy train | toy truck
  | teddy bear | yo-yo | puzzle | rocket | balloon | toy car | jump rope | hoop | rattle | toy plane | toy horse
  | block | paper boat | mask | crown | cape | slingshot | music box | toy sword | snow globe | pinwheel | rag doll
  | toy dragon | board game | bean bag | boomerang | trumpet | xylophone | harmonica | tambourine | toy tractor
  | toy soldier | toy elephant | toy castle | dollhouse | rocking horse | skateboard | water pistol | bubble wand
  | magic wand | spinning wheel | stuffed rabbit | stuffed owl | wind-up mouse | paper plane | frisbee | tricycle
  | stilt | domino | chess piece | card game | kaleidoscope | spinner | butterfly net | toy ship | bow
treasure = ring | shell | feather | key | coin | button | stamp | card | pebble | crystal | bead | medal | ribbon
  | bell | acorn | locket | map | letter | stone | bracelet | necklace | brooch | ticket | badge | pearl | fossil
  | arrowhead | postcard | seashell | charm | token | thimble | pin | earring | pendant | amulet | diary | poem
  | scroll | bottle | nugget | ruby | emerald | jewel | hourglass | figurine | seal | pocket watch | music sheet
  | pine cone | starfish | peacock feather | horseshoe | buckle | tassel | trophy | ornament | gem
garment = hat | scarf | mitten | glove | coat | sweater | boot | sock | belt | cap | apron | shawl | jacket | bonnet
  | raincoat | vest | slipper | sandal | shoe | hood | bow tie | beret | cardigan | poncho | robe | skirt | dress
  | shirt | tunic | headband | necktie | earmuff | blouse
tool = bucket | shovel | rope | net | hammer | broom | basket | lantern | umbrella | brush | spoon | cup | jar
  | blanket | book | pencil | paintbrush | flute | mirror | compass | teapot | pillow | comb | notebook | fan | clock
  | watch | magnet | spyglass | bowl | candle | box | backpack | wagon | sled | scooter | bike | flashlight | camera
  | suitcase | chair | vase | mug | tray | wheel | pot | kettle | ladle | plate | fork | pan | rolling pin | sieve
  | scale | saw | drill | wrench | pump | rake | hoe | watering can | wheelbarrow | trowel | fishing rod | paddle
  | oar | tent | hammock | stool | bench | cushion | quilt | rug | lamp | globe | atlas | dictionary | cookbook
  | songbook | sketchbook | crayon | eraser | ruler | chalk | easel | violin | guitar | banjo | horn | cymbal | purse
  | wallet | satchel | barrel | crate | chest | walking stick | birdhouse | bird cage | fish bowl | flower pot
  | doormat | thermos | lunch box | pitcher
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
plant = sunflower | bean | pumpkin | rose | tomato | carrot | strawberry | tulip | apple tree | daisy | pea | melon | pepper | corn | lily
  | cherry tree | cucumber | radish
bird = robin | sparrow | crow | pigeon | owl | duck | swan | blackbird | woodpecker | gull | magpie | finch | jay
tree = oak | pine | birch | willow | maple | apple tree | chestnut | elm | cedar | cherry tree
bug = bee | butterfly | beetle | ladybug | ant | snail | cricket | dragonfly | spider | worm | firefly | moth

trait = kind | brave | shy | clever | cheerful | curious | quiet | lively | gentle | funny | patient | busy | careful
  | dreamy | friendly | honest | lazy | loud | messy | neat | polite | proud | silly | stubborn | sleepy | thoughtful
  | young | playful | eager | helpful | bold | calm | serious | merry | jolly | nervous | restless | daring | modest
  | generous | greedy | grumpy | moody | noisy | tidy | clumsy | quick | slow | strong | small | tall | thin | plump
  | rosy | freckled | dark-haired | curly-haired | bright | wise | wild | sensible | sweet | witty | bossy | chatty
  | talkative | silent | sly | timid | fearless | hardworking | forgetful | absent-minded | hungry | impatient
  | jealous | loyal | lonely | lucky | unlucky | mischievous | naughty | obedient | odd | popular | reliable | rude
  | sporty | tireless | truthful | warm-hearted | good-natured | well-mannered | nimble | graceful | handy | inventive
  | musical | nosy | ordinary | peaceful | practical | spirited | sunny | tough | unusual | watchful
glad = happy | glad | pleased | delighted | cheerful | overjoyed | very happy | so happy | thrilled | full of joy
  | excited | merry | content | satisfied | proud | relieved | grateful | hopeful | jolly | joyful | amused | thankful
  | in high spirits | in a good mood | quite content | as happy as could be | over the moon | light at heart
sad = sad | upset | unhappy | worried | miserable | very sad | sorry | close to tears | heartbroken | gloomy
  | troubled | lonely | hurt | disappointed | downcast | helpless | hopeless | sorrowful | tearful | discouraged
  | dismayed | in low spirits | in a bad mood | quite lost | sick at heart | as sad as could be
angry = angry | cross | mad | annoyed | grumpy | furious | upset | irritated | sulky | offended | bitter
  | red with anger | out of temper
scared = scared | afraid | frightened | nervous | anxious | terrified | uneasy | alarmed | shaky | panicky | timid
  | tense | cold with fear | stiff with fear | pale with fright
tired = tired | sleepy | worn out | weary | exhausted | out of breath
surprised = surprised | amazed | astonished | puzzled | startled | stunned | speechless | confused | impressed
  | baffled | taken aback | wide-eyed
nice = nice | lovely | wonderful | good | great | pleasant | perfect | beautiful | fine | special | splendid
  | delightful | marvelous | amazing | charming | fantastic | excellent | superb | grand | remarkable | magical
  | glorious
quickly = quickly | slowly | carefully | quietly | at once | right away | without a sound | in a hurry | step by step | with great care
  | as fast as <a.he> could | gently | calmly | eagerly | with a sigh | with a grin
happily = happily | proudly | with a big smile | cheerfully | gladly | softly | kindly | brightly | warmly
  | with shining eyes | merrily | eagerly | sweetly | gently | politely | with a laugh | with a wink | with a nod
  | with a grin | calmly | quickly | lightly | playfully | in a friendly voice | in a soft voice | at once
  | after a moment | with sparkling eyes | with a chuckle | with a giggle
sadly = sadly | softly | quietly | with a sigh | with tears in <a.his> eyes | in a small voice | slowly | gloomily
  | shyly | weakly | nervously | in a low voice | with a shaky voice | with a sniff | with a sob | bitterly | wearily
  | hoarsely
body_ache = tired feet | cold hands | a runny nose | muddy boots | a sore knee | wet hair | dusty hands | red cheeks | a rumbling tummy

age = four | five | six | seven | eight | nine | ten
number_word = two | three | four | five | six | seven | eight | nine | ten
days = two | three | four | five | six | seven
season = spring | summer | autumn | winter
weekday = Monday | Tuesday | Wednesday | Thursday | Friday | Saturday | Sunday
daypart = morning | afternoon | evening | day
home = in a small house near the woods | in a tall house in the city | on a farm | in a village by the sea
  | at the edge of the forest | in a cozy cottage | near a busy market | in a little town | on a quiet street
  | by a wide river | next to the school | above a bakery | in a red brick house | at the top of a hill
  | near the train tracks | in a houseboat | in a valley | across from the park | behind the church | in an old mill
  | in a lighthouse | above a shoe shop | in a big apartment building | near the harbor | at the end of a long road
  | in a white house with green shutters | beside a lake | in the mountains | on an island | in a caravan
  | near a noisy factory | next to a garden full of roses | over a bookshop | by the old bridge
  | in the last house of the village | in a tiny flat | under a steep roof | among apple trees | on the main square
  | in a windmill
burrow = under an old oak tree | in a hollow log | beside a clear stream | in a cozy den | at the edge of the meadow
  | in a nest of leaves | near the tall reeds | in a warm burrow | behind the waterfall | on a sunny hill
  | deep in the forest | by the blue lake | under a pile of rocks | in an empty barn | in a haystack
  | beside a field of corn | under a wooden porch | in a dry cave | between two roots | among the ferns
  | near a beaver dam | in a thorn bush | at the foot of a mountain | under a stone bridge | in an old boot
  | on a small island
hobby = drawing pictures | climbing trees | reading books | singing songs | riding a bike | baking | building towers
  | catching bugs | picking flowers | flying kites | playing chess | telling jokes | telling stories | swimming
  | dancing | digging holes | collecting stones | playing the drum | looking at the stars | feeding birds | painting
  | running races | jumping in puddles | making hats | solving puzzles | fishing | playing ball | watching clouds
  | learning new words | whistling | cooking soup | growing plants | fixing things | skipping rope
  | hunting for treasure | counting things | sleeping late | asking questions | exploring | playing tricks
  | building boats | making masks | writing letters | writing poems | carving wood | folding paper | knitting scarves
  | sewing dresses | juggling | skating | sledding | rowing | sailing | hiking | camping | climbing hills
  | chasing butterflies | watching trains | watching birds | drawing maps | making music | playing the flute
  | playing the violin | playing cards | playing hide and seek | playing pirates | acting in plays
  | doing magic tricks | inventing machines | taking things apart | rolling down hills | building sand castles
  | throwing snowballs | making snowmen | swinging | balancing on walls | walking in the rain | listening to the radio
  | listening to stories | looking at old photos | sorting buttons | polishing shells | pressing flowers
  | tasting new food | making lists | learning to count | dressing up | talking to animals | brushing ponies
  | milking goats | racing snails | painting eggs | blowing bubbles | guessing riddles | trading stamps
# Verbs of the plots, with their neighbors in meaning.
ran = ran | ran | hurried | raced | dashed | rushed | sprinted | trotted | darted | bounded | scurried | flew
walked = walked | wandered | strolled | marched | hiked | ambled | trudged | skipped | tiptoed | walked | plodded
went = went | went | walked | hurried | wandered | strolled | marched | headed | rushed | raced | trotted | skipped | ran | tiptoed
looked = looked | searched | checked | peeked | peered | felt around | rummaged | hunted | glanced | poked about
found = found | found | spotted | discovered | noticed | saw | uncovered | came upon
gave = gave | handed | passed | offered | gave
took = took | carried | brought | lugged | hauled
brought = brought | carried | took | fetched
placed = put | placed | laid | set | tucked | hid | left | stored
smiled = smiled | grinned | beamed | nodded | laughed | giggled | chuckled | blushed | winked | bowed
came = came | walked | wandered | strolled | hurried | ran | rushed | skipped | hopped | trotted
met = met | met | saw | visited | ran into | bumped into | spotted | joined
liked = liked | loved | admired | adored | enjoyed | wanted
laughed = laughed | laughed | giggled | chuckled | cheered | grinned | clapped | squealed
along = , {humming|singing|whistling} a <look> {tune|song} | , thinking {about|of} <topic> | , followed by a(n) <creature> | , <how>
  | , past a(n) <landmark> and a(n) <landmark> | , holding a(n) <look> <color> <object> | , eating <number_word> <sweets> | , wearing a(n) <look> <color> <wear>
  | , in spite of <body_ache> | , still thinking of a(n) <creature> <doing> | , talking about <topic> | , counting <treasure_plural> | , dreaming of <hobby>
  | , with {<body_ache>|a(n) <look> <wear>|<number_word> <sweets> for the way|a song in <a.his> heart} | , through the {rain|fog|sun|dust|wind|mud|crowd|tall grass}
  | , looking for <treasure_plural> on the way | , waving to a(n) <somebody>
while = while a(n) <creature> {watched|slept|looked on|stood by|was <doing>} | while a(n) <somebody> was <doing> | with {great care|a loud cry|a big smile|shaking hands}
  | in front of a(n) <somebody> | before anyone {noticed|spoke|could stop <a.him>|said a word} | for {<number_word> minutes|half an hour|a long time|a moment}
saying = It is {never too late|good|fun|hard|easy|wise|brave} to {try|share|listen|wait|laugh|learn|ask|help|sing|say sorry|begin} | A {friend|smile|song|story|secret|plan|promise} is {worth more than
  {gold|<number_word> <countable>|a(n) <look> <object>}|like a(n) <look> <object>} | {Patience|Kindness|Courage|Luck|Laughter|Honesty|Time} {heals everything|is stronger than {fear|anger|iron}|makes {friends|the day
  brighter|everything easier}|is a(n) <look> thing|costs nothing}

# For things seen, worn, thought and said by the way: wide lists, since they need not come back later in a story.
somebody = {old|young|tall|short|thin|stout|cheerful|grumpy|sleepy|busy|lonely|noisy|clumsy|elegant|bearded|tiny|rosy|kindly} {man|woman|lady|boy|girl|clown
  |sailor|postman|farmer|nurse|soldier|juggler|fiddler|baker|painter|miller|tailor|shepherd|fisherman|student|plumber|barber|cyclist|tourist
  |piper|singer|hunter|driver|cook|guard|mayor|dancer|beggar|peddler|builder|potter|cobbler}
creature = {gray|brown|white|black|spotted|fat|thin|quick|lazy|tame|wild|young|old|tired|wet|proud|shy|hungry|clever|tiny} {cat|dog|fox|hare|goat|sheep|cow
  |horse|donkey|pig|hen|rooster|goose|duck|swan|crow|owl|robin|hedgehog|mole|mouse|rat|toad|frog|lizard|squirrel|badger|deer|bat|turkey|pony|heron
  |stork|weasel|beaver|otter|snail|caterpillar|grasshopper}
doing = {sleeping|eating {<fruit>|<sweets>|cheese|grass|bread}|singing|sneezing|dancing|digging|staring|hopping|waiting|yawning|whistling|fishing|snoring|reading
  |laughing|scratching|drinking|mumbling|limping|stretching|looking for <treasure_plural>|carrying <load>|pulling a <look> cart|talking to a(n) <creature>}
load = {two|three|four|some|many|heavy|wet} {bricks|buckets|melons|sacks|boards|pipes|umbrellas|chairs|pumpkins|books|pots|lamps|fish|cabbages|tires|pillows|eggs
  |bottles|ropes|hats|flags|candles|roses|drums|brooms|blankets|coats|baskets|pies|loaves}
treasure_plural = coins | shells | buttons | feathers | acorns | keys | stamps | nails | mushrooms | worms | berries | snails | pebbles | herbs | clues
landmark = {red|stone|old|broken|tall|crooked|round|little|wooden|rusty|new} {bridge|tower|well|mill|gate|fountain|statue|chapel|barn|wall|fence|signpost|bench
  |clock|inn|lighthouse|windmill|tunnel|staircase|chimney|mailbox|lamp post|arch|market stall|shed|pump|pier|stable|greenhouse|kiosk}
near = by | near | behind | beside | in front of | next to | across from | opposite | not far from
object = <toy> | <treasure> | <garment> | <tool> | <toy> | <tool>
wear = {hat|cap|scarf|coat|sweater|jacket|shirt|belt|apron|vest|raincoat|cape|hood|ribbon|bow|necklace|backpack|pair of {boots|shoes|socks|gloves|mittens
  |trousers|slippers|shorts|sandals|glasses}}
material = wool | silk | cotton | leather | straw | felt | velvet | linen | denim | fur
hair = {long|short|curly|straight|messy|thick|wavy} {brown|black|red|blond|dark|golden} hair
topic = {the weather|<hobby>|<season>|<fruit> and <fruit>|<sweets>|<dish>|the {moon|sea|stars|king|queen|circus|harvest|war|school play|new bridge|old days|snow|train}
  |<color> {boats|birds|balloons|cows|cats|roses|shoes|houses}|a(n) <creature>|a(n) <somebody>|<bug>s and <bird>s|how to {swim|fish|bake|sew|whistle|dance|ride|skate|paint|row|knit
  |juggle|count stars|catch fish|build a raft|grow <fruit>|cook <dish>|train a <pet_kind>}}
claim = {<bug>s|<bird>s|cats|dogs|cows|fish|bears|frogs|owls|snails|mice|goats} {never|always|often|sometimes|can|cannot|rarely} {sleep|sing|dance|dream|swim|lie|sneeze|laugh
  |count to <number_word>|eat <fruit>|like <dish>|get bored|see in the dark|hear thunder|smell rain|forget a face}
past_deed = {found|lost|broke|painted|bought|sold|hid|fixed|borrowed|dropped|carried|drew|won|stole a look at|forgot|washed|burned|buried} {a(n) <look> <object>|a(n) <color> <object>|<number_word> <countable>}
  | {saw|met|heard|chased|followed|fed|drew|scared|helped|dreamed of} a(n) {<creature>|<somebody>}
  | {climbed|jumped over|hid behind|fell off|slept under|walked around|sat on} a(n) <landmark>
  | {baked|cooked|ate|tasted|spilled|burned} {<dish>|<sweets>|<number_word> <sweets>}
  | learned how to {swim|fish|bake|sew|whistle|dance|ride|skate|paint|row|knit|juggle}
)";

}  // namespace facet
