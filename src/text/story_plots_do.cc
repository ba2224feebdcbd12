// Stories about making, mending, meeting and daring.
#include "text/story_plots.h"

namespace facet {

void plot_broken(Scene& s) {
  s.hero();
  s.place('l');
  s.helper_as('b');
  s.thing('o', "breakable");
  static const std::vector<Reason> kCauses = {
      {"<a.he> {ran|was running} too fast and {tripped over|bumped into|fell on} it", "by running"},
      {"<a.he> {dropped it|let it fall} {on the {floor|ground|stones}|down the steps}", "by dropping it"},
      {"<a.he> {sat|stepped} on it {by accident|without looking|in the dark}", "by stepping on it"},
      {"<a.he> {pulled|tugged} {too hard|with all <a.his> strength}", "by pulling too hard"},
      {"<a.he> threw a ball {and missed|too hard|the wrong way}", "with a ball"},
      {"<a.he> left it out in the {rain|storm|snow}", "by leaving it outside"},
  };
  const Reason& cause = s.dice().pick(kCauses);
  std::string glue = s.pick("mender");
  s.set("glue", glue);
  begin(s);
  s.say(
      "{<B> had|<B> owned|<B> was very proud of} <o.a>[, and {everyone {liked|admired} it|<b.s> used it every day|it "
      "had come from far away}].");
  s.give('o', 'b');
  s.say("<one_day>, <a.s> {asked to borrow it[<along>]|was allowed to {use|hold} it|played with it|took it <l.to>}.");
  s.maybe(0.75, "<l.scenery>");
  s.set("cause", s.expand(cause.told));
  s.say(
      "{But|Sadly,|Then} <cause>, and {crack|snap|bang|crash|oh no}! The <o> {broke|was broken|fell apart|was in "
      "pieces|came apart}.");
  s.say("<feel_sad>");
  s.maybe(0.6,
          "{<A.s> wanted to {hide|run away|say nothing}, but {that {did not feel|was not} right|<a.he> knew "
          "better|<a.he> could not}.|<think>}");
  s.paragraph();
  s.say("{So <a.s> <went> to <b> and told the truth.|<A.s> {took|carried} the pieces to <b>.} <sorry>");
  s.say("<forgive>");
  bool alone = s.dice().chance(0.4);
  if (!alone) s.adult_as('c');
  char who = alone ? 'b' : 'c';
  if (alone)
    s.say(
        "<B.s> {got|fetched|found} <glue> and {mended|fixed|repaired} it{| in no time| while <a> {watched|held the "
        "pieces}}.");
  else
    s.say(
        "They {brought|took} it to <c>. <C.s> {used|took|found} <glue> and {mended|fixed|repaired} it{| in no time| "
        "while they watched}.");
  s.say(
      "{{Soon|Now|In the end} the <o> {looked|was} {as good as new|almost like new|even better than before|<nice> "
      "again}.|It {worked|was fine} again[, {with only a small crack|though it looked a little <look>}].}");
  s.maybe(0.5, "<feel_glad>");
  s.maybe(0.6, "<ending>");
  s.ask("What broke?", s.expand("the <o>"), "breakable", "the ");
  std::vector<std::string> others;
  for (const Reason& c : kCauses) others.emplace_back(c.answer);
  s.ask("How did <a.name> break the <o>?", std::string(cause.answer), others);
  s.ask_who("Who {fixed|mended} the <o>?", who);
  s.ask("What was used to {fix|mend} the <o>?", glue, "mender");
  s.ask_who("Whose <o> was it?", 'b');
}

void plot_cooking(Scene& s) {
  s.hero();
  s.friend_as('b');
  s.friend_as('c');
  bool sweet = s.dice().chance(0.5);
  std::string_view dishes = sweet ? "sweet_dish" : "hearty_dish", ingredients = sweet ? "sweet_part" : "hearty_part";
  std::string dish = s.pick(dishes);
  std::vector<std::string> parts = s.pick_distinct(ingredients, 4);
  s.set("food", dish);
  s.set("x", parts[0]);
  s.set("y", parts[1]);
  s.set("z", parts[2]);
  begin(s);
  s.say(
      "<one_day>, <a.s> wanted to {make|cook|prepare} <food>[ for <a.his> <family>| for a party| because {it was "
      "cold|guests were coming|<a.he> was hungry}].");
  s.say(
      "{But there was {nothing|almost nothing} {in the cupboard|at home}|It needed many things|<A> could not do it "
      "alone}, so <b> and <c> {came to help|were asked to help|promised to bring something}.");
  s.say(
      "{<B> brought {the|some} <x>, <c> brought {the|some} <y>, and <a> {had|got} the <z>.|<A> had {the|some} <z>. <B> "
      "{came with|brought} the <x>, and <c> {came with|brought} the <y>.|{Some|The} <x> came from <b>, the <y> came "
      "from <c>, and <a> {bought|picked|found} the <z>.}");
  s.maybe(0.6,
          "{They {washed their hands|put on aprons|lit the stove|found a big bowl} first.|The {pot|bowl|pan} was "
          "<color> and very <look>.|There was {flour|water|sugar} {everywhere|on the floor|on {every|<a.p>} nose}.}");
  aside(s);
  s.paragraph();
  static const std::vector<Reason> kMishaps = {
      {"{But|Then} {someone|<c>} {spilled|knocked over} the {milk|water|sauce}.", "something was spilled"},
      {"{But|Then} the {fire|stove} went out.", "the stove went out"},
      {"{But|Then} it {burned|got burned|turned black} {a little|at the edge|on one side}.", "it burned"},
      {"{But|Then} {<a>|<b>} {used|put in} salt instead of sugar.", "there was too much salt"},
      {"{But|Then} the {bowl|pot|spoon} broke.", "a bowl broke"},
  };
  bool mishap = s.dice().chance(0.7);
  const Reason& what = s.dice().pick(kMishaps);
  s.say(
      "They {mixed|stirred|chopped|cooked|tasted|peeled} {everything|it all} {with a(n) <look> spoon|<while>|while "
      "singing|together|and talked about <topic>}.");
  if (mishap) {
    s.say(what.told);
    s.say(
        "{They {<laughed>|sighed|looked at each other} and {cleaned up|started again|tried again|fixed it}.|\"{Never "
        "mind|Don't worry|We can fix it}{!|,}\" <said> <b>[ <happily>].}");
  }
  s.say(
      "{At last|Finally|An hour later|Before dark}, {they {served|finished|tasted|carried in} the <food>|out came the "
      "<food>}[ <while>]. {The whole house smelled of <food>.|Everyone {had <number_word> helpings|wanted more|ate "
      "until nothing was left}.|<A.p> <family> {asked for more|liked it better than <dish>}.|It tasted {<nice>|of "
      "{summer|home|honey|smoke}}.}");
  s.maybe(0.4, "<feel_glad>");
  s.maybe(0.6, "<ending>");
  s.ask("What did they make?", dish, dishes);
  s.ask_who("Who brought the <x>?", 'b');
  s.ask_who("Who brought the <y>?", 'c');
  s.ask("What did <b.name> bring?", parts[0], {parts[1], parts[2], parts[3]});
  s.ask("What did <c.name> bring?", parts[1], {parts[0], parts[2], parts[3]});
  if (mishap) {
    std::vector<std::string> others;
    for (const Reason& m : kMishaps) others.emplace_back(m.answer);
    s.ask("What went wrong?", std::string(what.answer), others);
  }
}

void plot_garden(Scene& s) {
  s.hero();
  s.helper_as('b');
  s.friend_as('c');
  std::string plant = s.pick("plant");
  int n = 2 + static_cast<int>(s.dice().below(8));
  static const char* kWords[] = {"", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"};
  s.set("crop", plant);
  s.set("n", kWords[n]);
  begin(s);
  s.say(
      "{In <season>|<one_day>}, <b> gave <a> {some <look> seeds|a handful of seeds|a(n) <color> bag of seeds|a "
      "{jar|paper|box} full of seeds}. \"{These are|I brought you|Here are some|You can have these} <crop> seeds,\" "
      "<said> <b>[ <happily>].");
  s.say(
      "<A.s> {dug a hole|made a small bed|filled a(n) <look> <color> {pot|box|bucket|jar|boot}} {behind the "
      "house|<near> a(n) <landmark>|in the sun|next to a(n) <tree>} and {planted|put} {it|them} {there|in the "
      "ground|with care}.");
  s.say(
      "Every {day|morning|evening} <a.s> {watered it[ <how>]|brought water in a(n) <look> <color> "
      "{can|cup|jar|bucket}|pulled the weeds|looked at the ground|sang to it|chased away the <bird>s|told it about "
      "<topic>}, but {for <days> {days|weeks} nothing happened|nothing {came up|grew}|there was only mud}.");
  s.maybe(0.6, "{<feel_sad>|<think>}");
  s.maybe(0.7,
          "\"{Be patient|Wait a little longer|Give it time|Good things take time|Don't give up},\" <said> <b>[ "
          "<happily>].");
  aside(s, 0.4);
  s.paragraph();
  s.say(
      "{Then|At last|One morning} {it rained|the sun came out|the days grew warm}, and {a(n) {tiny|green|small} "
      "{leaf|shoot} {came up|peeked out|was there}|something green {came up|broke through}}.");
  s.maybe(0.4, "<feel_glad>");
  s.say(
      "By {<season>|the end of the {month|summer|year}}, there were <n> <look> <crop> {plants|heads|stems}{| in a row| "
      "taller than <a>}.");
  s.say(
      "<A.s> {gave|brought|took} {one|the best one|the first one} to <c>[, {who was {ill|lonely|<sad>|new in "
      "town}|because <c.s> had {helped|asked}}].");
  s.maybe(0.6, "<ending>");
  s.ask("What did <a.name> {plant|grow}?", s.expand("a(n) <crop>"), "plant", "a(n) ");
  s.ask_number("How many plants were there?", n);
  s.ask_who("Who gave <a.name> the {seeds|first seeds}?", 'b');
  s.ask_who("Who got {one of the plants|a plant from <a.name>}?", 'c');
}

void plot_picnic(Scene& s) {
  s.hero();
  s.friend_as('b');
  s.place('l', true);
  s.place('m', false);
  std::string food = s.pick("sweets"), other = s.pick("fruit"), fun = s.pick("hobby");
  const std::string more[] = {s.pick("sweets"), s.pick("fruit")};  // on nobody's blanket
  s.set("x", food);
  s.set("y", other);
  s.set("fun", fun);
  begin(s);
  static const std::vector<Reason> kTroubles = {
      {"{dark clouds came and it began to rain|big drops fell from the sky|rain poured down}", "it rained"},
      {"{a strong wind|a cold wind|a storm} {came up|blew everything about|blew the blanket away}", "it was windy"},
      {"{hundreds of|lots of|an army of} ants {came|marched over the blanket|climbed into the basket}", "ants came"},
      {"{it grew very cold|it suddenly got cold|snow began to fall}", "it got cold"},
      {"{a big goat|a hungry cow|a wild pig} {came and chased them|wanted their food|ran at them}",
       "an animal chased them"},
      {"{bees|angry bees|a swarm of bees} {came|buzzed around them|flew out of a(n) <tree>}", "bees came"},
  };
  const Reason& trouble = s.dice().pick(kTroubles);
  s.say(
      "<one_day>, <a> and <b> {planned|went for|wanted to have} a picnic <l.at>. <A> "
      "{<brought>|packed|prepared|bought|made} <x>, and <b> {<brought>|packed|prepared|bought|made} <y>.");
  s.maybe(0.8, "<l.scenery>");
  s.say(
      "{They {spread out|laid down} a(n) <color> blanket {under a(n) <tree>|in the sun|in the shade} and {began to "
      "eat|sat down|talked about <hobby>}.|They had just {sat down|started to eat|opened the basket}.}");
  aside(s, 0.6);
  s.set("trouble", s.expand(trouble.told));
  s.say("But {then|soon|all at once|just then} <trouble>{!|.}");
  s.say("{\"{Oh no|Quick|Run|Hurry|Let's go}!\" {cried|shouted|called} <b>.|<feel_sad>}");
  s.paragraph();
  s.say("They {grabbed|picked up|took} the {basket|blanket|food} and <went> <m.to>[<along>].");
  s.maybe(0.6, "<m.scenery>");
  s.say(
      "There {they {ate|finished|shared} {the <x> and the <y>|everything} on the floor|the <x> tasted even better|they "
      "were safe and {dry|warm|happy}}, and then they {spent the {day|afternoon|time}|had fun|passed the time} <fun>.");
  s.maybe(0.5, "<feel_glad>");
  s.maybe(0.6, "<ending>");
  std::vector<std::string> others;
  for (const Reason& t : kTroubles) others.emplace_back(t.answer);
  s.ask("Why did they {leave|go away}?", std::string(trouble.answer), others);
  s.ask("What did <a.name> bring?", food, {other, more[0], more[1]});
  s.ask("What did <b.name> bring?", other, {food, more[0], more[1]});
  s.ask("Where did they go {then|after that}?", s.expand("<m.to>"), "indoor_goal");
}

void plot_race(Scene& s) {
  s.hero();
  s.friend_as('b');
  s.friend_as('c');
  s.place('l', true);
  s.thing('o', "loseable");
  begin(s);
  s.say(
      "<one_day>, there was a {race|big race|running race|boat race|sack race} <l.at>. {The {prize|winner's prize} was "
      "<o.a>.|The winner would get <o.a>.}");
  s.maybe(0.75, "<l.scenery>");
  s.say("{<A> ran against <b> and <c>.|<B> and <c> {wanted to win too|were in the race too|stood beside <a>}.}");
  s.say(
      "\"{I am the fastest|I will win|Nobody can beat me|You will never catch me}!\" {said|cried|boasted|<laughed>} "
      "<b>.");
  s.say(
      "\"{Ready, set, go|One, two, three, go|Go|On your marks, get set, go}!\" a(n) <somebody> {shouted|called}, and "
      "{off they went|they {ran|rushed} off|the race began}.");
  s.paragraph();
  static const std::vector<Reason> kDelays = {
      {"{tripped over|fell over|stumbled on} a(n) {<look> {stone|root|log|rope|bucket|rake}|<creature>}", "{b} fell"},
      {"stopped to {rest|take a nap|sit in the shade}", "{b} rested"},
      {"stopped to {eat|pick|look for} {<fruit>|<sweets>}", "{b} ate"},
      {"{took|chose|ran down} the wrong {path|road|way}", "{b} took the wrong way"},
      {"lost a {shoe|boot|sandal}", "{b} lost a shoe"},
      {"{stopped|turned around} to {wave|laugh|look} at {the others|a(n) <somebody>}", "{b} looked back"},
  };
  const Reason& delay = s.dice().pick(kDelays);
  s.set("delay", s.expand(delay.told));
  bool a_wins = s.dice().chance(0.6);
  char first = a_wins ? 'a' : 'c', second = a_wins ? 'c' : 'a';
  s.alias('d', first);
  s.alias('e', second);
  s.say(
      "{At first|For a while|Halfway}, <b> was {far |}ahead{| of everyone| by a long way}. {But then|Then|Suddenly} "
      "<b.he> <delay>.");
  s.say(
      "<D> {kept going|did not stop|ran and ran|ran as fast as the wind|never looked back|jumped over a(n) <look> "
      "<object>|ran past a(n) <somebody>|thought only of <topic>} and {won|crossed the line first|came in first|won "
      "the race}{!|.} <E> {was|came in|came} second, and <b> {was|came in|came} last.");
  s.say("{<D> got|They gave <d>} the <o.c>{| and everyone {clapped|cheered}| with a loud {cheer|drum roll}}.");
  s.give('o', first);
  s.maybe(0.6,
          "\"{Well done|Good race|You were great|Next time I will be more careful},\" <said> <b>[ and {shook "
          "hands|<smiled>|<laughed>}].");
  s.maybe(0.6, "<ending>");
  s.ask_who("Who won the race?", first);
  s.ask_who("Who {came in|was} last?", 'b');
  s.ask_who("Who {came in|was} second?", second);
  s.ask_holder('o');
  std::vector<std::string> others;
  auto named = [&](std::string_view answer) { return s.person('b').name + std::string(answer.substr(3)); };
  for (const Reason& d : kDelays) others.push_back(named(d.answer));
  s.ask("Why did <b.name> {lose|not win}?", named(delay.answer), others);
}

void plot_fear(Scene& s) {
  s.hero();
  s.helper_as('b');
  static const std::vector<Reason> kFears = {
      {"the dark",
       "<one_day>, {the lights went out|<a.he> had to fetch a <tool> from the dark cellar|night came early}."},
      {"thunder", "<one_day>, {a storm came|there was a loud boom|black clouds rolled in}."},
      {"deep water",
       "<one_day>, {everyone went for a swim|<a.his> <family> took <a.him> to the lake|there was a boat trip}."},
      {"big dogs",
       "<one_day>, {a big dog stood in the road|a huge dog came to the gate|a new dog moved in next door}."},
      {"high places",
       "<one_day>, {the class climbed the tower|there was only a high bridge to cross|<a.he> had to go up a tall "
       "ladder}."},
      {"spiders",
       "<one_day>, {there was a big spider on <a.his> bed|a spider came down from the ceiling|<a.he> had to clean the "
       "attic}."},
      {"loud noises", "<one_day>, {a band marched by|workers came with loud machines|there were fireworks}."},
      {"strangers", "<one_day>, {guests came from far away|<a.he> had to sing for new people|a new class began}."},
  };
  static const std::vector<Reason> kWays = {
      {"sang a {funny|silly|brave|quiet|happy} song", "a song"},
      {"told a {funny|silly|long|good} {story|joke}", "a story"},
      {"{held|took} <a.p> hand", "a hand to hold"},
      {"{lit|brought} a <look> lantern", "a lantern"},
      {"gave <a> a(n) <color> {lucky stone|stone}", "a stone"},
      {"{counted|showed <a.him> how to count} slowly to ten", "counting"},
      {"{lent|gave} <a> a(n) <color> blanket", "a blanket"},
      {"{shared|offered} a {cup|mug} of {warm milk|tea|cocoa}", "a warm drink"},
  };
  const Reason &fear = s.dice().pick(kFears), &way = s.dice().pick(kWays);
  s.set("fear", std::string(fear.told));
  begin(s);
  s.say(
      "{<A> {liked|loved} <hobby>, but there was one thing <a> {did not like|feared}: <fear>.|But <a> was {always "
      "|very |}{afraid|scared} of <fear>.|<A.s> {told nobody, but <a.he>|never said so, but <a.he>} was "
      "{afraid|scared} of <fear>.}");
  s.say(fear.answer);
  s.say(
      "<A.s> {was|felt} <scared> and {hid under the table|could not move|began to shake|wanted to run home|closed "
      "<a.his> eyes|held <a.his> breath|hid behind a(n) <somebody>|held on to a(n) <look> <object>|thought of "
      "<topic>}.");
  s.paragraph();
  s.say("<meet>");
  s.maybe(0.6,
          "\"{What are you afraid of|Are you scared|Why are you shaking|Is it <fear>}?\" <asked> <b>[ <how>]. {<A> "
          "nodded.|<A.s> could {hardly|not} {speak|answer}.|\"{Yes|A little|Very much},\" {whispered|said} <a>.}");
  s.say(
      "\"{I was afraid of that too|I used to be scared as well|You are not alone|It can't hurt you|We can be brave "
      "together},\" <said> <b>[ <happily>].");
  s.set("way", s.expand(way.told));
  s.say("{Then|And then|To help}, <b.s> <way>.");
  s.say(
      "{Little by little|After a while|Soon|Slowly}, <a.s> {felt better|stopped shaking|became calm|opened <a.his> "
      "eyes|even <smiled>}[, and {<a.he> took one step, then another|it was not so bad|the fear grew small}].");
  s.maybe(0.5, "<feel_glad>");
  s.maybe(0.5, "<thanks>");
  s.maybe(0.6, "<ending>");
  std::vector<std::string> fears, ways;
  for (const Reason& f : kFears) fears.emplace_back(f.told);
  for (const Reason& w : kWays) ways.emplace_back(w.answer);
  s.ask("What was <a.name> afraid of?", std::string(fear.told), fears);
  s.ask_who("Who helped <a.name>?", 'b');
  s.ask("What helped <a.name>?", std::string(way.answer), ways);
}

void plot_lost_pet(Scene& s) {
  s.hero();
  s.place('l', true);
  s.helper_as('b');
  std::string spot = s.spot_at('l'), kind = s.pick("pet_kind"), color = s.pick("coat"), name;
  do name = s.pick("pet_name");
  while (name == s.person('a').name || name == s.person('b').name);
  s.set("spot", spot);
  s.set("kindred", kind);
  s.set("pet", name);
  s.set("hue", color);
  begin(s);
  s.say(
      "<one_day>, <a.s> {was|walked|played} <l.at> and {heard a {strange|small|sad|soft} {sound|noise|cry}|saw "
      "something move|noticed something <hue>}.");
  s.maybe(0.75, "<l.scenery>");
  s.say(
      "{<A.s> looked|Carefully, <a.s> looked} <spot> and {found|saw|there was} a(n) {small|lost|wet|thin|hungry|young} "
      "<hue> <kindred>{| with {big|sad|bright} eyes| that shook with cold}.");
  s.say(
      "{It was {all alone|cold and hungry|lost}|It {had no home|looked at <a.him> and cried}}, so <a> {gave it {some "
      "milk|a bit of bread|some water|some <fruit>|a piece of cheese}|wrapped it in <a.his> {coat|scarf}|picked it "
      "up|spoke to it softly}.");
  s.maybe(0.5,
          "\"{Where do you live|Who are you|Are you lost|What happened to you}, little {one|friend|<kindred>}?\" "
          "{asked|said|whispered} <a>.");
  s.paragraph();
  s.say(
      "{<A.s> {asked at every {house|door}|asked everyone in the {street|village|market}}|<A.s> asked a(n) <somebody> "
      "and a(n) <somebody>|<A.s> {made|put up} {signs|a sign}|<A.s> walked from {door to door|house to house}}. "
      "{<later>|At last|Finally}, <b> {ran up|came running|opened the door|saw them} and {cried|shouted|called}, "
      "\"{<pet>! You are back|That is my <pet>|<pet>! There you are}!\"");
  s.say("The <kindred> {jumped into <b.p> arms|ran to <b>|made happy noises|was so glad}.");
  s.maybe(0.7, "<thanks_from_b>");
  s.say(
      "{<B.s> gave <a> {a(n) <color> {<treasure>|<garment>}|some <sweets>|<number_word> coins|a big hug}.|<B.s> "
      "{invited <a> to|asked <a> to come and} {visit|play with} <pet> {every {day|week}|any time}.}");
  s.maybe(0.5, "<ending>");
  s.ask("What was the <kindred>'s name?", name, "pet_name");
  s.ask_who("Whose <kindred> was it?", 'b');
  s.ask("Where did <a.name> find the <kindred>?", spot, "outdoor_spot");
  s.ask("What color was the <kindred>?", color, "coat");
}

void plot_treasure(Scene& s) {
  s.hero();
  s.friend_as('b');
  s.place('k');
  s.place('l', true);
  s.place('m', true);
  s.thing('o', "treasure");
  std::string spot = s.spot_at('m'), box = s.pick("container");
  s.set("spot", spot);
  s.set("box", box);
  begin(s);
  s.say(
      "<one_day>, <a.s> <found> {an old|a torn|a yellow|a secret} map <k.at>[, {inside a(n) <look> "
      "{book|bottle|box}|under a(n) <look> stone}].");
  s.say(
      "{\"{A treasure map|Look|This is a map}!\" {cried|said|shouted} <a>, and {ran to tell|showed it to} <b>.|<A.s> "
      "showed it to <b>, and {both|the two} {were <glad>|wanted to go at once|could hardly wait}.}");
  s.say(
      "{The map {said|told them} to go|They had to go|The first {cross|arrow} was} {first |}<l.to>, {and then|then} "
      "<m.to>.");
  s.maybe(0.5,
          "{They {packed|took} {a <tool> and some <sweets>|a <tool> and a <tool>|some <fruit>} and {left|set "
          "off}.|<travel>}");
  s.paragraph();
  s.say(
      "{When they came|First they went} <l.to>, they {saw|found|passed} {a(n) <landmark>|<number_word> <look> "
      "{trees|stones|steps|roses|doors|barrels}|a(n) <look> <color> flag|a(n) <creature> <doing>} {just like on the "
      "map|as the map had said|with an arrow on it}.");
  s.maybe(0.75, "<l.scenery>");
  aside(s);
  s.say(
      "{Then they <went>|After that they <went>} <m.to>. {<A> {dug|<looked>}|They {dug|<looked>}} <spot>, and {there "
      "was|they found|out came} a(n) <look> <box>.");
  s.say("{Inside was|In it lay|It held|When <b> opened it, there was} <o.a>{!|.}");
  bool a_keeps = s.dice().chance(0.5);
  char who = a_keeps ? 'a' : 'b';
  s.alias('d', who);
  s.say(
      "{They agreed that <d> {could|should} keep it|<D> got to keep it|In the end <d> took it home}[, because {it was "
      "<d>'s birthday soon|<d> had {carried everything|been so brave|seen it first}}].");
  s.give('o', who);
  s.maybe(0.5, "<feel_glad>");
  s.maybe(0.5, "<ending>");
  s.ask("What was in the <box>?", s.expand("a(n) <o>"), "treasure", "a(n) ");
  s.ask("Where was the <box>?", spot, "outdoor_spot");
  s.ask("Where did they go first?", s.expand("<l.to>"),
        {s.expand("<m.to>"), s.expand("<k.to>"), "to the bridge", "to the station"});
  s.ask_holder('o');
  s.ask_color('o');
}

}  // namespace facet
