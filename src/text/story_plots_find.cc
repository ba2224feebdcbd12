// Stories about things that are lost, stuck, hidden or moved.
#include "text/story_plots.h"

namespace facet {

void plot_lost_and_found(Scene& s) {
  s.hero();
  s.thing('o', "loseable");
  s.place('l');
  s.helper_as('b');
  begin(s);
  s.say(
      "{<A.s> had|<A.p> favorite thing was|<A.s> owned|More than anything, <a.s> {loved|treasured}} <o.a>.[ {It was a "
      "gift from <a.his> <family>|It had once belonged to <a.his> <family>|<A.s> {took|carried} it everywhere|<A.s> "
      "had got it {last <weekday>|on <a.his> birthday|at the fair|in <season>}|It was {a bit|very} <look>, but <a.s> "
      "{loved|liked} it}.]");
  s.give('o', 'a');
  s.say(
      "<one_day>, <a.s>[ <adverb>] <took> <o.the> <l.to>[<along>].|<one_day>, <a.s> was "
      "{playing|walking|sitting|resting} "
      "<l.at> with <o.the>.");
  s.maybe(0.75, "<l.scenery>");
  const Reason& why = s.dice().pick(kLossReasons);
  std::string spot = s.spot_at('l');
  s.set("spot", spot);
  s.say(why.told);
  s.put('o', spot);
  s.say(
      "{When|As soon as} <a.s> {noticed|saw it|found out}, <a.he> {was <sad>|started to cry|turned pale|ran back|did "
      "not know what to do}.|<feel_sad>");
  s.paragraph();
  std::string wrong = s.spot_at('l');
  if (wrong != spot) {
    s.set("wrong", wrong);
    s.say(
        "<A.s>[ <adverb>] <looked> <wrong>, but {it was not there|there was nothing|all <a.he> found was a(n) <look> "
        "{<toy>|<treasure>|<garment>}|only a(n) <bug> was there}.");
  }
  s.say("<meet>");
  s.say("<whats_wrong>");
  s.say(
      "\"{I lost my <o.c>|My <o.c> is gone|I can't find my <o.c>|I had <o.a>, and now it is gone|My <o> is "
      "lost}{!|,}\" <said> <a>[ <sadly>].");
  s.maybe(0.7, "<offer_help>");
  s.say(
      "{Together they {searched|looked}|They {searched|looked}} {everywhere|high and low|for a long time|until "
      "{noon|dusk|lunch}|once more}. {<suddenly>|At last|Finally}, <b> {looked|peeked|reached|bent down and looked} "
      "<spot>, and {there it was|there was <o.the>|saw something <o.color>|found <o.the>|pulled out <o.the>}{!|.}");
  s.give('o', 'b');
  s.say(
      "{\"{Here it is|Look what I found|Is this yours|I found it}{!|, <a.name>!}\" {said|called|cried|<laughed>} "
      "<b>.|<B.s> <gave> <o.the> back to <a>.|<B.s> {held|lifted} it up and {<smiled>|<laughed>|waved}.}");
  s.give('o', 'a');
  finish_happily(s);
  s.ask("Where {was the <o> found|did <b.name> find the <o>}?", spot, rule_of_spots(s, 'l'));
  s.ask_who("Who found the {<o>|<o.c>}?", 'b');
  s.ask_color('o');
  s.ask("Why was <a.name> sad?", s.expand("<a.he> lost the <o>"),
        {s.expand("<a.he> lost the <toy>"), s.expand("<a.he> broke the <o>"), s.expand("<a.he> was hungry"),
         s.expand("<a.he> fell down")});
  s.ask_holder('o');
}

void plot_stuck(Scene& s) {
  s.hero();
  s.place('l', true);
  s.helper_as('b');
  bool pet = s.dice().chance(0.4);
  s.thing('o', pet ? "pet_kind" : "playable");
  std::string high = s.pick("high_spot"), tool = s.pick("long_tool");
  s.set("high", high);
  s.set("gear", tool);
  begin(s);
  s.say(
      "<one_day>, <a.s>[ <adverb>] <took> <a.his> <o.c> <l.to>.|<one_day>, <a> {was <l.at> with <a.his> <o.c>|and "
      "<a.his> "
      "<o.c> were <l.at>}.");
  s.maybe(0.75, "<l.scenery>");
  if (pet)
    s.say(
        "<suddenly>, {a loud dog barked|there was a {crash|bang|boom}|a(n) <bird> flew by|a <bug> buzzed past}, and "
        "the <o> {got|ended up} stuck <high>.");
  else
    s.say(
        "<suddenly>, {a strong wind came up|<a.he> threw it too high|a(n) <bird> grabbed it|it slipped and flew away|a "
        "friend kicked it}, and the <o> {got|ended up|landed and stayed} stuck <high>.");
  s.put('o', high);
  s.say("<feel_sad>");
  s.say(
      "<A.s> {jumped|stretched|shook and pulled|threw a(n) <look> <object>|stood on a(n) <look> <object>|threw a(n) "
      "<look> <object>|stood on a(n) <look> <object>|threw {a stone|a stick|<a.his> shoe}|called and waited|climbed on "
      "a {box|barrel|chair}}, but {it was too high|it did not help|nothing worked|<a.he> could not reach it|it was no "
      "use}.");
  s.paragraph();
  s.say("<meet>");
  s.maybe(0.6, "<whats_wrong>");
  s.maybe(0.6, "<ask_help>");
  s.maybe(0.6, "<yes>");
  s.say(
      "<B.s> <went> {home|away|to the {shed|barn|shop}} and {came back with|returned with|brought|got} a(n) <look> "
      "<gear>.|<B.s> {had|found|borrowed} a(n) <look> <gear>{ nearby| from <b.his> {shed|house|cart}|}.");
  s.say(
      "{Little by little|With the <gear>|Very carefully|After three tries|In no time}, <b.s>[ <adverb>] "
      "{got|brought|lifted|pulled|coaxed|knocked|eased} the <o> down.|It {took|needed} {<number_word> tries|a long "
      "time|only a moment}, but <b.s> got the <o> down.");
  s.give('o', 'b');
  if (pet)
    s.say("The <o> {licked|rubbed|jumped on|ran to} <a>{ at once| and made a happy sound|}.");
  else
    s.say("<B.s> <gave> the <o> to <a>.");
  s.give('o', 'a');
  finish_happily(s);
  s.ask("Where was the <o> stuck?", high, "high_spot");
  s.ask("What did <b.name> use?", "a(n) " + tool, "long_tool", "a(n) ");
  s.ask_who("Who {helped|got the <o> down}?", 'b');
  s.ask_color('o');
}

void plot_hide_and_seek(Scene& s) {
  s.hero();
  s.place('l');
  s.friend_as('b');
  s.friend_as('c');
  std::vector<std::string> spots = s.pick_distinct(rule_of_spots(s, 'l'), 2);
  s.set("x", spots[0]);
  s.set("y", spots[1]);
  begin(s);
  s.say(
      "<one_day>, <a.s> <met> <b> and <c> <l.at>.|<one_day>, <b> and <c> came {to play|to see <a>|over} "
      "<l.at>.|<one_day>, <a>, <b> and <c> were <l.at> and {had nothing to do|wanted to play a game|felt bored}.");
  s.maybe(0.75, "<l.scenery>");
  aside(s);
  s.say(
      "\"{Let's|Why don't we|Shall we} play hide and seek{!|,}\" <said> <b>[ <happily>]. \"{You count|You seek|Close "
      "your eyes}, <a.name>!\"|They {decided|wanted} to play hide and seek, and <a> was the {first to|one to} "
      "{count|seek}.");
  s.say(
      "<A> {closed <a.his> eyes|turned around|covered <a.his> face} and {counted|counted slowly} to "
      "{ten|twenty|thirty|a hundred|fifty}.");
  bool b_first = s.dice().chance(0.5);
  s.say(
      "{<B> {hid|crawled|ran and hid|lay down} <x>, {and|while} <c> {hid|curled up|crouched|stood} <y>.|<C> "
      "{hid|crept|crawled} <y>, and <b> {hid|ducked down|made <b.self> small} <x>.}");
  s.maybe(0.5,
          "{It was|Everything was} {very |so |}{quiet|still}{.| for a moment.| and nobody {moved|<laughed>|made a "
          "sound}.}");
  s.paragraph();
  s.say(
      "\"{Ready or not, here I come|I am coming|Here I come|I will find you all}!\" {cried|shouted|called|sang} <a>.");
  s.alias('d', b_first ? 'b' : 'c');
  s.alias('e', b_first ? 'c' : 'b');
  s.set("first_spot", b_first ? spots[0] : spots[1]);
  s.set("last_spot", b_first ? spots[1] : spots[0]);
  s.say(
      "{First|Soon} <a> <looked> <first_spot> and {found <d>|saw <d>'s {foot|hat|hand|nose|hair}|heard <d> "
      "{laugh|sneeze|cough|giggle}|caught <d>}{!|.}");
  s.say(
      "{But where was <e>?|<E> was {harder|much harder} to find.|It took {longer|a while} to find <e>.} {<A> looked "
      "{everywhere|high and low|all around|up and down}. |}{<later>|At last|Finally}, {a {sneeze|giggle|cough|small "
      "noise} {came|was heard}|something moved|a(n) <color> {sleeve|shoe|sock|hat} showed} <last_spot>. {\"{Found "
      "you|I see you|There you are|Got you}, <e>!\" {<laughed>|cried|said} <a>.|It was <e>!}");
  s.say(
      "{<feel_glad>|They all <laughed>{| until their tummies hurt| and fell down in a heap}.|\"{Again|One more "
      "time|My turn now}!\" {cried|said} <b>.}");
  s.maybe(0.5, "<ending>");
  s.ask("Where did <b.name> hide?", spots[0], rule_of_spots(s, 'l'));
  s.ask("Where did <c.name> hide?", spots[1], rule_of_spots(s, 'l'));
  s.ask_who("Who was found first?", b_first ? 'b' : 'c');
  s.ask_who("Who was found last?", b_first ? 'c' : 'b');
  s.ask_who("Who {counted|looked for the others}?", 'a');
}

// Somebody puts a thing away, another moves it: where will the first one look?
void plot_moved(Scene& s) {
  s.hero();
  s.place('l', false);
  s.helper_as('b');
  s.thing('o', "loseable");
  std::vector<std::string> boxes = s.pick_distinct("container", 4);
  std::string first = "in the " + boxes[0], second = "in the " + boxes[1];
  s.set("x", first);
  s.set("y", second);
  begin(s);
  s.say(
      "<one_day>, <a.s> {was|played|worked|sat} <l.at> with <o.a>.|<one_day>, <a.s> {got|found|bought|made} <o.a> and "
      "{took|brought} it <l.to>.");
  s.give('o', 'a');
  s.maybe(0.75, "<l.scenery>");
  s.say(
      "{When it was time {for lunch|to go out|for bed|to help outside}|Before <a.he> <went> out to play|To keep it "
      "safe|When <a.he> was done}, <a.s> <placed> <o.the> <x>[ and {closed the lid|went away|left|ran outside}].");
  s.put('o', first);
  s.paragraph();
  s.say(
      "{While <a> was {away|gone|outside|asleep}|<later>|After <a> had left}, <b> came {in|by|along} {to {clean "
      "up|tidy up|look for a <tool>|fetch a <tool>}|and {needed some space|saw the mess|looked around}}. <B.s> "
      "{took|picked up|lifted out} <o.the> and <placed> it <y>.");
  s.put('o', second);
  s.maybe(0.5, "{Then <b.s> {left|went home|went back to work|forgot all about it}.|Nobody saw it.}");
  s.say(
      "{<later>|In the evening|The next morning|When the game was over}, <a> came back {for|to get|to look for} "
      "<o.the>. <A.s> {looked|opened the lid and looked|reached} <x>, but {it was empty|it was not there|there was "
      "nothing|it was gone}.");
  s.say("{<feel_sad>|\"{Where is my <o>|Who took my <o>|Where did it go}?\" {cried|asked|said} <a>.}");
  s.say(
      "{\"{I moved it|I put it away|It is safe}{|, <a.name>|, don't worry}. {Look|It is} <y>{!|,}\" <said> <b>[ "
      "<happily>].|<B> {remembered|<laughed>} and {showed <a.him> where it was: <y>|pointed: it was <y>}.}");
  s.say("{<A.s> {ran|went|jumped up} and found <o.the> <y>.|And {there|sure enough, there} it was, <y>.}");
  s.maybe(0.6, "<feel_glad>");
  s.maybe(0.4, "<ending>");
  std::vector<std::string> places;
  for (const std::string& box : boxes) places.push_back("in the " + box);
  s.ask("Where did <a.name> {look first|put the <o>}?", first, places);
  s.ask("Where {was the <o> in the end|did <b.name> put the <o>}?", second, places);
  s.ask_who("Who moved the <o>?", 'b');
  s.ask_color('o');
}

}  // namespace facet
