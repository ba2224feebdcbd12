// Sentences that any plot can use.  a is the hero, b the other one; <a.s> is a name or a pronoun, whichever is clear.
#include "text/story_words.h"

namespace facet {

const std::string_view kStoryPhrases = R"(
opening = {Once upon a time|Long ago|Once|Not so long ago|In a land far away}, there {was|lived} a(n) <trait>[ and <trait>] <a.kind> named <a>.
  | <A> was a(n) <trait> <a.kind> who lived <a.home>.
  | There was once a(n) <trait>[, <trait>] <a.kind> {called|named|whose name was} <a>.
  | <A> the <a.kind> was {very|always|quite|rather|often|usually} <trait>[, and sometimes a little <trait>].
  | In a {small|quiet|busy|sunny|cold|green|noisy|pretty} {village|town|valley|place} lived a(n) <trait> <a.kind> {called|named} <a>.
  | {This is the|Here is a|This is a} story about <a>, a(n) <trait> <a.kind>.
  | {Everyone|Everybody} {knew|liked|loved} <a>, the <trait> <a.kind> who lived <a.home>.
  | A(n) <trait> <a.kind> named <a> lived <a.home>.
opening_more = <A.s> {loved|liked|enjoyed} <hobby>[ and <hobby>].
  | <A.s> {loved|liked} <hobby>, but {most of all|more than that|best of all} <a.he> {loved|liked} <hobby>.
  | <A.s> lived there with <a.his> <family>.
  | <A.p> <family> {always|often} said that <a.he> was {too|very|a bit} <trait>.
  | {Every|Almost every} <daypart>, <a.s> {spent some time|had fun|was busy} <hobby>.
  | {When|Whenever} {the sun came out|it was <weekday>|there was nothing to do|<a.his> work was done}, <a.s> {enjoyed|thought about|started} <hobby>.
  | <A.p> favorite {color was <color>|day was <weekday>|season was <season>|food was <dish>|thing was <hobby>}.
  | {Nobody|No one} {in town|around there|in the family} was {better|happier} at <hobby>.
one_day = One {sunny|bright|cloudy|windy|warm|cool|quiet|foggy|fine|busy|lazy} <daypart>
  | One <daypart> in <season> | On <weekday> | On <weekday> {morning|afternoon|evening|night} | One day | Early one morning | Late one afternoon | One <weekday>
  | After {breakfast|lunch|school|a long nap|a big meal|a short walk} | Just after {breakfast|lunch|sunrise} | On the first day of <season>
  | On a {warm|cool|cold|bright} <season> <daypart> | That <season> | One <season> <daypart>
later = Later | After a while | A little later | Soon | {That|The same} {evening|afternoon} | An hour later | Before long | By and by | Then
  | {Not long|Shortly} after that | A few minutes later | When lunch was over | At last | Before dinner | When the sun was low
suddenly = Suddenly | Just then | All at once | At that moment | All of a sudden | Out of nowhere | In the blink of an eye | Right then

sight = A(n) <somebody> {with|in|holding|wearing} a(n) {<look>|<color>} <wear> was <doing> <near> a(n) <landmark>.
  | {A(n) <creature>|A(n) <creature> and a(n) <creature>|A(n) <somebody>} {sat|stood|lay|waited|rested|slept|played} <near> a(n) <landmark>.
  | <A.s> {saw|noticed|passed|watched|heard} a(n) <creature> <doing> <near> a(n) <landmark>.
  | {There was|There stood} a(n) <landmark> with a(n) <look> <color> <object> {on it|beside it|in front of it}, and a(n) <somebody> <doing>.
  | {Somebody|Someone|A(n) <somebody>} had {left|dropped|hung|forgotten} a(n) <look> <color> <object> <near> the <landmark>.
appearance = <A.s> {wore|had on|always wore|was wearing} a(n) <color> <wear> {made of <material>|with <number_word> {buttons|pockets|patches|holes|stripes}|that was too {big|small|long|short|tight}|and a(n) <look> <wear>}.
  | <A.s> was <age> years old and {collected <treasure_plural>|knew all about <bug>s|could {swim|whistle|skate|sew|juggle|row|count to a hundred}|had a(n) <look> <color> <object>|hated <dish>|loved <fruit>}.
  | {In|At} school, <a.s> {sat|always sat} next to {the window|a(n) <trait> <a.kind>|the stove|the door} and {drew <creature_plural>|dreamed of <hobby>|talked about <topic>}.
creature_plural = cats | dragons | horses | boats | whales | birds | castles | robots | trains | bears | flowers | monsters
memory = {The {day|week|month} before|A few days earlier|Last {<season>|<weekday>|week|year}|Once}, <a.s> had <past_had>.
  | <A.s> {often|still|sometimes} {thought about|talked about|remembered} <topic>.
  | {That {morning|week}|Before {breakfast|lunch|sunrise}}, <a.s> {had already|had} <past_had>[ and <past_had>].
past_had = {found|lost|broken|painted|bought|sold|hidden|fixed|borrowed|dropped|drawn|won|washed|buried} {a(n) <look> <object>|a(n) <color> <object>|<number_word> <countable>}
  | {seen|met|heard|chased|followed|fed|drawn|scared|helped} a(n) {<creature>|<somebody>}
  | {climbed|jumped over|hidden behind|fallen off|slept under} a(n) <landmark>
  | {baked|cooked|eaten|tasted|spilled|burned} {<dish>|<sweets>|<number_word> <sweets>}
  | learned how to {swim|fish|bake|sew|whistle|dance|ride|skate|paint|row|knit|juggle}
chat = They {talked|chatted|spoke|argued|joked} about <topic>[ and <topic>].
  | "{{Did you know that|Is it true that} <claim>?" asked|{I read that|My <family> said that|I bet that|I am sure that} <claim>{,|!}" <said>} <b>.
  | "I {once|just|also} <past_deed>," <said> <b>. {<A> {laughed|smiled|did not believe it|nodded|was <surprised>}.|"{Really|Me too|How <nice>|So did I|No way}!" <said> <a>.}
  | <B> told <a.o> {about|a story about} <topic>.
  | <B.s> {wore|had on|was wearing} a(n) <color> <wear>[ {made of <material>|with <number_word> {buttons|pockets|patches|holes|stripes}}].
scenery_out = <sight> | <sight> | <sight> | <sight> | A {small|fat|brown|loud|young|pretty|sleepy|lonely} <bird> {sat|sang|hopped|looked down|called} {in a(n) <tree>|from a branch|on the fence|over the path}.
  | The {air|wind|breeze} {smelled|tasted} of {flowers|rain|fresh bread|cut grass|pine trees|the sea|smoke|honey|wet leaves|apples}.
  | {White|Gray|Big|Small|Soft|Dark} clouds {drifted|rolled|sailed|moved} {across the sky|over the hills|above the roofs|past the sun}.
  | The {sun|sky|light|morning} was {warm|bright|pale|golden|soft|clear}, and {the birds sang|bees hummed|the leaves shook|a dog barked far away|the grass was wet}.
  | A {<color>|tiny|big|shy} <bug> {landed on|crawled over|sat on|flew past} a {leaf|flower|stone|<color> flower|blade of grass}.
  | {Two|Three|Some|A few} {children|<bird>s|squirrels|dogs|rabbits} {were playing|ran about|chased each other|rested} {nearby|in the sun|in the shade|a little way off}.
  | The {wind|breeze} {moved|shook|played with} the {leaves|flowers|tall grass|branches|flags}.
  | {Somewhere|Far away|Not far off}, a {dog barked|bell rang|<bird> called|train whistled|child laughed|gate creaked|drum beat|frog croaked}.
  | {Leaves|Petals|Drops of water|Bits of straw} {covered|lay on|danced over} the {ground|path|grass|road}.
  | {It was {warm|cool|quiet|windy|lively|muddy} there|Everything looked {fresh|green|sleepy|bright|peaceful}}, and {nobody was in a hurry|the day felt long|the hours went by slowly|there was a lot to see}.
scenery_in = {There was|On the wall hung|In the corner stood|On the floor lay|By the door was} a(n) <look> <color> <object>[ next to a(n) <look> <object>].
  | {There was|On the wall hung|In the corner stood|By the door was} a(n) {<look>|<color>} <object>, and a(n) <creature> was {sleeping|yawning|snoring|stretching} on {the rug|a chair|the floor|a pillow}.
  | Through the {window|door|curtains}, <a.s> {saw|could see|watched|heard} a(n) {<somebody>|<creature>} <doing>.
  | <A.p> <family> {had left|had forgotten|kept} a(n) <look> <color> <object> and <number_word> <countable> {there|on the table|in a corner}.
  | The room smelled of {soap|bread|old books|wood|paint|soup|apples|dust|coffee|fresh flowers|wax|cinnamon}.
  | {Rain|Wind|A branch} {tapped|knocked} {on|at} the {window|roof|door}[, but inside it was {warm|cozy|quiet}].
  | A {clock|kettle|radio|cat|fire|sewing machine} {ticked|hummed|sang|purred|whispered} in the corner.
  | {Sunlight|Light|A sunbeam|Moonlight} {fell|came|streamed} through the {window|door|curtains|glass} and {lit up|warmed|reached} the {floor|wall|table|dusty books}.
  | The floor {creaked|was cold|shone|was covered with {dust|paper|crumbs|toys|wool}}.
  | A {<color>|tiny|big|shy} <bug> {crawled|walked|sat} on the {wall|ceiling|window|lamp}.
  | {On the wall|In the corner|Near the door} {hung|stood|was} a {<look> <color> clock|picture of a(n) <bird>|<look> mirror|row of coats|shelf full of {cups|books|jars|shoes}}.
  | It was {warm|quiet|cool|dark|cozy|bright|noisy} {there|inside}, and {nobody spoke|everyone was busy|dust danced in the light|there was a lot to see}.
  | {Someone|A neighbor|<a.p> <family>} was {humming|singing|working|laughing|sweeping} in the next room.

feel_glad = <A.s> {was|felt} <glad>.
  | {A big|A little|A warm} smile {came to|spread over|lit up} <a.p> face.
  | <A.s> {clapped|jumped up and down|danced|laughed|cheered|skipped|whistled|spun around} {for joy|with joy|happily}.
  | <A.s> could {hardly|not} stop smiling.
  | "{Hooray|Hurray|Oh, yes|Wonderful|Yippee|How lovely}!" {cried|shouted|said|called} <a>.
  | <A.s> had never been so <glad>.
feel_sad = <A.s> {was|felt} {very |so |rather |}<sad>.
  | {A tear|Two tears} ran down <a.p> {cheek|face|nose}.
  | <A.s> {sat down|stopped|stood still} and {cried|sighed|sobbed|looked at the ground|hung <a.his> head}.
  | <A.p> {heart {sank|grew heavy|felt like a stone}|eyes {filled with tears|burned|were wet}|face {fell|turned {red|pale|white}}|smile {faded|was gone}}.
  | "{Oh no|Oh dear|What a pity|How awful|This is terrible}!" {cried|said|whispered|sobbed} <a>.
feel_tired = <A.s> wanted nothing more than {<dish>|some <sweets>|a(n) <look> {bed|bath|chair|nap}|<hobby>}.
  | <A.s> was <tired>[, but <glad>].
  | By then, <a.s> had <body_ache>[ and <body_ache>].
  | <A.s> {yawned|rubbed <a.his> eyes|sat down for a moment|needed a rest}.
think = <A.s> {thought|wondered} {for a while|hard|for a long time|about it|about <topic> instead|<while>}.
  | "{Let me think|Hmm|What now|What can I do|There must be a way|I have an idea}," {said|thought|whispered} <a>.
  | <A.s> {scratched|shook|tilted} <a.his> head[ and {sighed|frowned|hummed|looked around}].
  | {First|At first} <a.s> {did not know what to do|had no idea|wanted to give up|stood very still}.
  | <A.s> took a deep breath[ and {closed|opened} <a.his> eyes].
travel = <A.s> <went> {along|down|up} {the {road|path|hill|street|lane|steps}|a(n) <look> {road|path|street|lane}}[<along>].
  | {On the way|Along the way|Halfway there}, <a.s> {saw|passed|met|heard|waved at} {a(n) <somebody>|a(n) <creature>|a(n) <somebody> and a(n) <creature>|a(n) <somebody> {carrying <load>|selling {<fruit>|<sweets>|<treasure_plural>}}|a(n) <color> {cart|bus|truck|boat|van|balloon}|an old friend of <a.his> <family>}.
  | The {road|way|path} was {long|short|steep|muddy|dusty|quiet|full of {stones|flowers|people|holes}}[, but <a.s> did not {stop|mind|complain|slow down}].
  | It took {a long time|only a few minutes|<number_word> minutes|half an hour|the whole <daypart>}.
meet = {Just then|Soon|Then|A moment later|After a while} <b> {came by|came along|walked up|appeared|stopped|turned up}[, {carrying|holding|with} {a(n) {<look> <color>|<color>|<look>} <object>|<load>}].
  | <B> {was|lived|worked} {nearby|close by|not far away}[ and {heard|saw} everything].
  | {Luckily|By chance|As it happened}, <b> was {passing by|there too|on <b.his> way home|looking out of the window|resting nearby|<doing> <near> a(n) <landmark>}.
thanks = "Thank you{|, <b.name>| so much|, dear <b.name>| very much}!" {said|cried|shouted|called|whispered} <a>[ <happily>].
  | <A> {thanked <b>|gave <b> a {big|warm|quick|long} hug|shook <b.p> hand} {again and again|with all <a.his> heart|and laughed|at once|and smiled}.
  | "{You are|You're} {the best|so kind|a true friend|very clever|a hero}, <b.name>!" {said|cried|laughed} <a>.
welcome = "{You are welcome|It was nothing|Any time|That is what friends are for|I was glad to help|Don't mention it}," {said|replied|answered} <b>[ {with a {smile|wink|nod|grin|bow}|<happily>}].
  | <B.s> {smiled|nodded|laughed|blushed|winked|bowed}.
ending = {From that day on|After that|Ever since|From then on}, <a> {and <b> were {best|good|close} friends|was {more careful|less afraid|never lonely again|kinder than before|always ready to help|a little wiser}|took better care of {things|<a.his> things|everything}}.
  | {That night|That evening|At bedtime}, <a.s> {fell asleep|went to bed|slept well|dreamed} {with a smile|at once|<glad>|and dreamed of {<topic>|<topic>|<hobby>}|under a warm blanket}.
  | {Then they|The two friends|They} {went home|had {tea|dinner|supper|a snack|some <sweets>|<dish>}|sat in the {sun|shade|kitchen|grass}|sang a song|laughed and played} {together|until dark|side by side|and talked about {it|the day|<topic>|<topic>}}.
  | {It was|It had been} {a(n) <nice> day|the best day of the {week|month|year|<season>}|a day to remember|a day <a> would never forget}.
  | <A> {learned|knew now|understood|never forgot} that {it is good to {share|ask for help|tell the truth|be patient|be kind|try again|listen}|friends help each other|{small|little} things can {make a big difference|bring great joy}|a kind word {helps|costs nothing}|{hard work|patience|courage} pays off|mistakes can be {fixed|forgiven}}.
  | And {so|that is how|that was how} the day {ended well|came to a happy end|ended with a {song|laugh|hug|feast|nap|story}}.
  | Everyone was <glad>.
  | "<saying>," {said|thought|whispered|laughed} <a>.
  | "<saying>," {said|thought|whispered|laughed} <a>.
  | <A> told the {whole|} story to <a.his> <family> {at dinner|that night|the next day|over and over}.
)";

}  // namespace facet
