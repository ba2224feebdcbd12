// Stories about things that change hands.
#include "text/story_plots.h"

namespace facet {

const std::vector<Reason> kLossReasons = {
    {"But {there was a hole in <a.his> pocket|<a.his> pocket was torn}, and the <o> fell out.",
     "it fell out of the pocket"},
    {"But {a strong wind|a gust of wind|the wind} {blew|carried|took} the <o> away.", "the wind blew it away"},
    {"{Then|After some time} <a.s> {put the <o> down|laid the <o> aside} {to {chase|watch|follow} a(n) <bug>|to drink "
     "some water|to tie <a.his> shoe|to look at a(n) <bird>|for a short rest} and forgot it.",
     "it was forgotten"},
    {"But {while <a.he> was running|on the way|in all the fun}, <a.s> dropped the <o>[ without noticing].",
     "it was dropped"},
    {"But {a cheeky|a naughty|a(n) <color>|a quick} {<bird>|squirrel|dog|puppy|cat} {grabbed|stole|snatched} the <o> "
     "and {ran|hurried|got} away.",
     "an animal took it"},
};

void plot_share(Scene& s) {
  s.hero();
  s.place('l');
  s.helper_as('b');
  s.friend_as('c');
  int n = 6 + static_cast<int>(s.dice().below(5)), to_b = 1 + static_cast<int>(s.dice().below(2)), to_c = 1;
  std::string items = s.pick("countable");
  static const char* kWords[] = {"", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"};
  s.set("items", items);
  s.set("n", kWords[n]);
  s.set("nb", kWords[to_b]);
  begin(s);
  s.say(
      "<one_day>, <a.s> {had|got|found|was given|carried} <n> <look> <items>[ in a(n) <color> "
      "{<container>|bag}].|<one_day>, <a.his> <family> gave <a> <n> <items>.");
  s.say(
      "<A.s> <took> them <l.to>[<along>].|<A.s> {sat|stood|rested} <l.at> and {counted|looked at} them{| again and "
      "again| with joy}.");
  s.maybe(0.75, "<l.scenery>");
  s.say(
      "{There|Soon} <a.s> <met> <b>. {<B.s> looked {hungry|<sad>|lonely|<tired>}.|\"{What nice <items>|Those look "
      "<nice>|I wish I had some <items>}!\" <said> <b>[ <happily>].}");
  s.say(
      "{<A.s> gave <b> <nb> of the <items>.|\"{Here|Take these|Have some}{|, please}!\" <said> <a>, and gave <b> "
      "<nb>.|So <a.s> {shared|handed over} <nb> of them.}");
  aside(s);
  bool third = s.dice().chance(0.7);
  int left = n - to_b;
  if (third) {
    s.say(
        "{<later>|Next}, <c> {came by|came along|ran up|joined them} {and {asked for one|wanted one too|<smiled> "
        "shyly}|with {muddy|empty|cold} hands}.");
    s.say(
        "{<A> gave <c.o> one{ too| as well|}.|\"{Of course|One for you too|There is one for you}!\" said <a>, and gave "
        "<c> one.}");
    left -= to_c;
  }
  bool lost = s.dice().chance(0.4);
  if (lost) {
    s.say(
        "Then {one fell {into the mud|in the water|down a hole|out of <a.p> hands}|a(n) <bird> {stole|took} one|one "
        "rolled away} and {was lost|was gone}.");
    left -= 1;
  }
  s.set("left", kWords[left]);
  s.paragraph();
  s.say(
      "{Now|In the end|After that} <a.s> had only <left> {<items> |}left{, but {<a.he> was <glad>|nobody was sad|that "
      "was enough}|}.|<A.s>[ <adverb>] counted again: {there were|now there were} <left> left.");
  s.maybe(0.6, "<thanks_from_b>");
  s.maybe(0.7, "<ending>");
  s.ask_number("How many <items> {did <a.name> have at first|were there at first}?", n);
  s.ask_number("How many <items> {were left|did <a.name> have at the end}?", left);
  s.ask_number("How many <items> did <b.name> get?", to_b);
  s.ask("What did <a.name> share?", items, "countable");
}

void plot_trade(Scene& s) {
  s.hero();
  s.place('l');
  s.friend_as('b');
  s.thing('o', "loseable");
  s.thing('p', "playable");
  begin(s);
  s.say(
      "<A.s> had <o.a>[, but {<a.he> never {used|played with} it|it was too {small|big|heavy} for <a.him>|<a.he> was "
      "tired of it}].");
  s.give('o', 'a');
  s.say("<one_day>, <a.s> <met> <b> <l.at>. <B.s> {had|was holding|was playing with|carried|brought along} <p.a>.");
  s.give('p', 'b');
  s.maybe(0.75, "<l.scenery>");
  aside(s);
  s.say(
      "{\"{What a <nice> <p>|I like your <p>|I always wanted a <p.c>|That is a <nice> <p>}!\" <said> <a>.|<A> {looked "
      "at|could not stop looking at|wished for|admired} <p.the>.|<A> thought the <p> was {<nice>|the best thing in the "
      "world|just what <a.he> {needed|wanted}}.}");
  bool trade = s.dice().chance(0.65);
  s.say(
      "\"{Shall we|Do you want to|Would you like to|Could we} {trade|swap}? {You can have|I will give you|Here is} my "
      "<o.c>{!|,}\" <said> <a>.");
  if (trade) {
    s.say("<yes>");
    s.say(
        "{So they {traded|swapped}[ <while>]|They {traded|swapped} {at once|right there|and shook hands|<while>}}. "
        "{Now <b> had <o.the> and <a> had <p.the>.|<A> {took|got} <p.the>, and <b> {took|got} <o.the>.}");
    s.give('o', 'b');
    s.give('p', 'a');
  } else {
    s.say(
        "\"{No, thank you|I am sorry, but no|I would rather keep it|No}{,| -} {it was a gift from my <family>|it is my "
        "favorite|I need it|my <family> made it for me},\" <said> <b>[ <happily>]. {So|In the end} {<a> kept "
        "<o.the>|each kept {their own|what they had}}.");
  }
  s.paragraph();
  s.say(
      "{They {played|talked|sat|<laughed>} together until {dinner|dark|it rained|the sun went down}.|Then they {went "
      "home|ran to see a(n) <look> {<bird>|cart|boat|train}|shared some <sweets>}.}");
  s.maybe(0.5, "<feel_glad>");
  s.maybe(0.6, "<ending>");
  s.ask_holder('o');
  s.ask_holder('p');
  s.ask_color('o');
  s.ask_color('p');
  s.ask_who("Who had the <p> first?", 'b');
}

void plot_earn(Scene& s) {
  s.hero();
  s.adult_as('b');
  s.thing('o', "playable");
  static const std::vector<Reason> kChores = {
      {"{sweep|sweep and scrub} the {floor|yard|steps|porch}", "sweeping"},
      {"{water|weed} the {flowers|garden|roses|beans}", "gardening"},
      {"wash the {windows|dishes|cart|floor}", "washing"},
      {"feed the {hens|geese|goats|ducks|rabbits|pigs}", "feeding animals"},
      {"carry {wood|water|boxes|bricks|sacks}", "carrying things"},
      {"paint the {fence|door|wall|gate|boat}", "painting"},
      {"pick {apples|berries|beans|cherries|grapes}", "picking fruit"},
      {"walk the {dog|dogs|pony}", "walking animals"},
  };
  const Reason& chore = s.dice().pick(kChores);
  int price = 3 + static_cast<int>(s.dice().below(7));
  static const char* kWords[] = {"", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"};
  s.set("price", kWords[price]);
  s.set("chore", s.expand(chore.told));
  begin(s);
  s.say(
      "<one_day>, <a.s> saw <o.a> {in a shop window|at the market|in the toy shop|at the fair|on a cart}. {It cost|The "
      "price was|The sign said} <price> coins.");
  s.say(
      "{<A.s> wanted it {very much|more than anything|so badly}, but|\"I want {that <o>|it},\" {thought|said} <a>, "
      "but} <a.he> {had no money|had not a single coin|had only {a button|a pebble|an old ticket} in <a.his> pocket}.");
  s.maybe(0.6, "{<think>|<feel_sad>}");
  s.say(
      "So <a> <went> to <b>[ <how>] and {asked for work|asked if there was work|offered to help|begged for a job|asked "
      "what needed doing}.");
  s.say(
      "{\"{You can|Please|Yes, you may} <chore>{!|,}\" <said> <b>[ <happily>].|<B> asked <a.him> to <chore>.|There was "
      "work: <a> had to <chore>.}");
  s.paragraph();
  s.say(
      "{<A.s> worked {hard|all {day|morning|afternoon|week}|for <days> days|until {noon|dark|<a.his> arms hurt}}[ and "
      "did not {stop|complain|play|look up|rest}][, <while>].|It was {hard|dull|dirty|slow} work, but <a.s> {did not "
      "give up|kept going|sang a song|finished it}.}");
  s.maybe(0.4, "<feel_tired>");
  s.say(
      "{<later>|When it was done|In the end}, <b> {gave|paid|handed} <a> <price> {shiny |silver |}coins[ and a "
      "{cookie|glass of milk|smile|ripe pear|warm bun}].");
  s.maybe(0.5, "<praise>");
  s.say(
      "{<A.s> <ran> back and bought <o.the>.|Then <a.s> bought <o.the> at last.|With the coins in <a.his> "
      "{hand|pocket}, <a.s> went and bought <o.the>.}");
  s.give('o', 'a');
  s.maybe(0.6, "<feel_glad>");
  s.maybe(0.5, "<ending>");
  s.ask("What did <a.name> {want|buy}?", s.expand("a(n) <o>"), "playable", "a(n) ");
  s.ask_number("How many coins did the <o> cost?", price);
  s.ask_who("Who {paid <a.name>|gave <a.name> work}?", 'b');
  s.ask_color('o');
  std::vector<std::string> others;
  for (const Reason& c : kChores) others.emplace_back(c.answer);
  s.ask("What work did <a.name> do?", std::string(chore.answer), others);
}

void plot_quarrel(Scene& s) {
  s.hero();
  s.place('l');
  s.friend_as('b');
  s.adult_as('c');
  s.thing('o', "playable");
  begin(s);
  s.say("<one_day>, <a.s> and <b> <found> <o.a> <l.at>.");
  s.maybe(0.75, "<l.scenery>");
  s.say(
      "\"{It is mine|I saw it first|Give it to me|I want it}!\" {cried|shouted|said} <a>. \"{No, it is mine|No, I saw "
      "it first|Let go|That is not fair}!\" {cried|shouted|said} <b>.");
  s.say(
      "{They {pulled|tugged|pushed|wrestled} {and pulled|at it|<while>}|They {shouted|yelled} and {stamped their "
      "feet|got red in the face|threw {pebbles|pillows|mud|leaves}|called each other {silly|selfish|greedy|rude}|stuck "
      "out their tongues}|Both were {very |so |}<angry>}, and {nobody let go|neither would stop|soon both were in "
      "tears}.");
  s.paragraph();
  s.say(
      "{<suddenly>|Then}, <c> <came> {by|up|over|along|past} and {asked what was going on|heard the noise|shook "
      "<c.his> head|<laughed>}.");
  bool a_first = s.dice().chance(0.5);
  s.alias('d', a_first ? 'a' : 'b');
  s.alias('e', a_first ? 'b' : 'a');
  std::size_t way = s.dice().below(3);
  if (way == 0)
    s.say(
        "\"{Take turns|Why not take turns|You can take turns}{!|,}\" <said> <c>[ <happily>]. So {<d> went first, then "
        "<e>|<d> {had|got} it first, and <e> {had|got} it after lunch|<d> had the first turn, and <e> the second}.");
  else if (way == 1)
    s.say(
        "<C.s> {tossed|flipped|threw} a coin. {<D> won|The coin said <d.name>}, so <d> {had|got} it first, and <e> "
        "{had|got} it {after that|the next day|later}.");
  else
    s.say(
        "\"{Guess|Think of} a number {from one to|between one and} {ten|twenty|a hundred}{!|,}\" <said> <c>[ "
        "<happily>]. <D> was closer, so <d> {had|got} the first turn, {and|then} <e> {was next|had the second}.");
  s.say(
      "{<A> and <b>|The two|Both} {<laughed>|shook hands|said sorry|hugged|made up}{| at once| and <smiled>} and "
      "{played {until dark|all day|nicely|<while>}|were friends again|forgot the fight}.");
  s.maybe(0.6, "<ending>");
  s.ask_who("Who had the first turn?", a_first ? 'a' : 'b');
  s.ask_who("Who had the second turn?", a_first ? 'b' : 'a');
  s.ask("What did they {fight|quarrel} about?", s.expand("a(n) <o>"), "playable", "a(n) ");
  s.ask_who("Who helped them {stop|make up}?", 'c');
  s.ask_color('o');
}

void plot_delivery(Scene& s) {
  s.hero();
  s.adult_as('b');
  s.helper_as('c');
  s.helper_as('d');
  s.place('l');
  s.place('m');
  s.thing('o', "tool");
  s.thing('p', "loseable");
  begin(s);
  s.say(
      "<one_day>, <b> {had a job for <a>|needed help|called <a>|was too busy to go out}. \"{Could|Can|Will|Would} you "
      "{take|bring|carry} <o.a> and <p.a> {to our friends|to town|out for me}?\" <asked> <b>[ <happily>].");
  s.give('o', 'a');
  s.give('p', 'a');
  s.say(
      "{<A.s> {packed|put} {both|the two things} in a {bag|basket|box|cart} and {set off|left|went "
      "out}[<along>].|<A.s> {said yes|nodded|was <glad>} and {set off|went at once|hurried out}.}");
  s.maybe(0.6, "<travel>");
  s.say(
      "First <a.s> <went> <l.to>{<along>| and {knocked|rang the bell|waved|called|asked a(n) <somebody> the way}|}. "
      "{There|There, under a(n) <tree>,} <a.s> gave the <o.c> to <c>.");
  s.give('o', 'c');
  s.maybe(0.4,
          "{\"{Oh, thank you|Just what I needed|How kind}!\" <said> <c>[ <happily>].|<C.s> {<smiled>|was <glad>|gave "
          "<a> a(n) <look> {feather|apple|cookie|flower}}.}");
  s.paragraph();
  s.say(
      "{Then|Next|After that} <a.s> <went> <m.to>[<along>][, although {it began to rain|the road was long|<a.he> was "
      "<tired>|it was getting late}].");
  s.maybe(0.6, "<m.scenery>");
  s.say("{There <a.s> found|In the end <a.s> met} <d> and {handed over|gave <d.o>|delivered} the <p.c>.");
  s.give('p', 'd');
  s.maybe(0.5,
          "{\"{I have waited all day for this|What a <nice> surprise|Thank you for coming so far}!\" <said> <d>.|<D.s> "
          "{<laughed>|clapped|bowed|was <glad>}.}");
  s.say(
      "{When <a.s> came home|Back home}, <b> {was <glad>|had {tea|soup|<sweets>} ready|was <doing>|gave <a> {a(n) "
      "<color> <object>|<number_word> <sweets>}|praised <a>}.");
  s.maybe(0.4, "<ending>");
  s.ask_holder('o');
  s.ask_holder('p');
  s.ask_who("Who did <a.name> visit first?", 'c');
  s.ask_who("Who sent <a.name>?", 'b');
  s.ask_color('p');
}

void plot_birthday(Scene& s) {
  s.hero();
  s.helper_as('b');
  s.place('l', false);
  s.thing('o', "loseable");
  std::string spot = s.spot_at('l'), food = s.pick("dish");
  s.set("spot", spot);
  s.set("food", food);
  begin(s);
  s.say(
      "{It was|Soon it would be|Tomorrow was|<weekday> was} <b.p> birthday, and <a> {wanted to give <b.him> a <nice> "
      "{present|gift|surprise}|was {looking for|thinking about} a {present|gift}}.");
  s.say(
      "{<A.s> {saved|used} all <a.his> {coins|money} and bought <o.a>.|<A.s> {made|painted|found|chose} <o.a>[ {all by "
      "<a.self>|with some help|after a long search}].}");
  s.give('o', 'a');
  s.say(
      "{To keep it secret|So that nobody would see it|Full of secrets}, <a.s> {wrapped|rolled} it in {<color> paper|a "
      "cloth|old newspaper|a scarf} and hid it <spot> <l.at>.");
  s.put('o', spot);
  s.maybe(0.75, "<l.scenery>");
  s.paragraph();
  s.say(
      "{On the day|When the day came|The next day}, there was <food>[, and {a candle|music|lemonade|a song|dancing|a "
      "funny game}] for everyone.");
  s.say(
      "{\"{Happy birthday|Surprise|Close your eyes|This is for you}!\" {cried|shouted|said|sang} <a>, and {gave <b> "
      "the {present|gift}|brought the {present|gift}}.|<A> {fetched|got|brought} the {present|gift} and gave it to "
      "<b>.}");
  s.give('o', 'b');
  s.say(
      "<B.s> {opened it|unwrapped it|tore it open} {and {gasped|<laughed>|<smiled>|cheered}|<while>}. {\"{A <o.c>|It "
      "is "
      "a <o>|Oh, a <o>}! {I love it|How <nice>|Just what I wanted|What a(n) <look> <o>}!\"|It was the best "
      "{present|gift} of all.}");
  aside(s);
  s.maybe(0.6, "<feel_glad>");
  s.maybe(0.6, "<ending>");
  s.ask_who("Whose birthday was it?", 'b');
  s.ask("Where did <a.name> hide the {present|gift}?", spot, "indoor_spot");
  s.ask("What did <b.name> get?", s.expand("a(n) <o>"), "loseable", "a(n) ");
  s.ask_holder('o');
  s.ask("What did they eat?", food, "dish");
}

}  // namespace facet
