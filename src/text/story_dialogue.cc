// Things that the characters say, by purpose.
#include "text/story_words.h"

namespace facet {

const std::string_view kStoryDialogue = R"(
said = said | said | said | said | replied | answered | explained | whispered | added | called | declared | murmured | laughed | muttered | promised | announced | sighed | remarked
cried = cried | shouted | called | exclaimed | said | yelled | roared | gasped | screamed | wailed | burst out
asked = asked | asked | asked | said | whispered | inquired | wondered
greeting = "{Hello|Hi|Good morning|Good day|Hey|Hi there}{, <b.name>|}!" <said> <a>[ <happily>].
  | <A> {waved at|smiled at|nodded to|greeted} <b>.
whats_wrong = "{What is wrong|What's the matter|Why are you so sad|What happened|Why the long face|Are you all right}{, <a.name>|, my friend|}?" <asked> <b>[ <happily>].
  | <B> saw that <a> was <sad> and {stopped|sat down beside <a.him>|came closer|asked what was wrong}.
  | "{You look|You seem} <sad>," <said> <b>. "{Can I help?|What is it?|Tell me about it.|What can I do?}"
offer_help = "{Don't worry|Never fear|Cheer up|Dry your tears|Come on}," <said> <b>. "{I will help you|We can do it together|Let me help|Two are better than one|I know what to do}."
  | "{I can|Let me|I will} help you," <said> <b>[ <happily>].
  | <B> {wanted|was ready|offered|promised|agreed} to help.
  | "We {will|can} {fix|solve} this together," <said> <b>.
ask_help = "{Can|Could|Will|Would} you {please |}help me{|, <b.name>}?" <asked> <a>[ <sadly>].
  | <A> asked <b> for help.
  | "{Please|Oh please}, <b.name>, I need {help|your help|a hand}," <said> <a>.
yes = "{Yes|Of course|Sure|Gladly|With pleasure|All right|Why not|Yes, let's do that}!" <said> <b>.
  | <B> {nodded|agreed|said yes|smiled and said yes|did not say no|clapped <b.his> hands}.
thanks_from_b = "{Thank you|Thank you so much|Thanks|You are so kind|How kind of you}{, <a.name>|}!" {said|cried|replied} <b>[ <happily>].
  | <B> {thanked|hugged|smiled at} <a>[ {again and again|and laughed|warmly}].
  | <B.s> {was <glad>|could hardly believe it|smiled from ear to ear}[ and {thanked|hugged} <a>].
sorry = "I am {so |very |}sorry{|, <b.name>}," {said|whispered|mumbled|sobbed} <a>[ <sadly>].
  | <A> {told the truth|told <b> everything|said <a.he> was sorry|did not try to hide it}.
forgive = "{It was an accident|These things happen|I am not angry|Thank you for telling the truth|Everyone makes mistakes|It's all right}," <said> <b>.
  | <B> {was not angry|forgave <a.him>|hugged <a.him>|smiled at <a.him>|patted <a.him> on the back}.
praise = "{Well done|Good job|Great work|Bravo|Very good|How clever of you}{, <a.name>|}!" <said> <b>.
  | <B> {was proud of|clapped for|cheered for|praised|hugged} <a>.
)";

}  // namespace facet
