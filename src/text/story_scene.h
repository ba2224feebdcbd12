// story_scene.h: the small world a story happens in: who is there, who holds what, what lies where, and the text so
// far.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "text/stories.h"
#include "text/story_grammar.h"

namespace facet {

struct Character {
  std::string name = {}, kind = {};  // kind: "girl", "boy", "fox", "woman", "man"
  std::string job = {};              // of adults outside the family
  bool female = false, adult = false, animal = false;
  bool introduced = false;
};

// A thing is in somebody's hands (holder >= 0), or at a spot, or nowhere yet.
struct Thing {
  std::string noun, look, color;
  int holder = -1;
  std::string spot;
};

struct Place {
  std::string at;  // "in the park"
  bool outdoors = true;
};

// A plot names its people, things and places by letter, tells what happens with say(), and moves things with give() and
// put().
//   scene.hero();  scene.thing('o', "toy");  scene.place('l');
//   scene.say("<A> had <o.a>.");  scene.give('o', 'a');
// Slots in a template.  People a..e: <a> the name (introduced at its first mention), <a.name> the bare name, <a.s> name
// or pronoun, <a.p> possessive of either, <a.he> <a.him> <a.his> <a.self>, <a.kind>, <a.home>.  Things o..r: <o>
// "kite", <o.c> "red kite", <o.a> "a shiny red kite", <o.the> "the kite" or "the red kite".  Places k..n: <l> "the
// park", <l.at> "in the park", <l.to>, <l.scenery> a sentence about it.  Anything set() has named comes before the
// rules of the grammar.  A capital first letter capitalizes.
class Scene {
 public:
  Scene(const Grammar& grammar, Dice& dice) : grammar_(grammar), dice_(dice) {}
  Dice& dice() { return dice_; }

  void hero();                           // a: a child, or sometimes a young animal; then everybody young is one
  void friend_as(char letter);           // another of the hero's age
  void adult_as(char letter);            // in a world of animals: an old one
  void helper_as(char letter);           // either of the two
  void alias(char letter, char person);  // one more letter for somebody
  void thing(char letter, std::string_view rule);
  void place(char letter);  // outdoors or indoors
  void place(char letter, bool outdoors);
  void set(std::string_view name, std::string value);
  std::string pick(std::string_view rule);  // one alternative, expanded
  std::vector<std::string> pick_distinct(std::string_view rule, std::size_t n);
  std::string spot_at(char place) { return pick(at(place).outdoors ? "outdoor_spot" : "indoor_spot"); }

  // The state.
  void give(char thing, char to);
  void put(char thing, std::string spot);
  Character& person(char letter);
  Thing& object(char letter);
  Place& at(char letter);

  // The text.  Alternatives parted by | may stand without braces.
  void say(std::string_view sentences);
  void maybe(double p, std::string_view sentences) {
    if (dice_.chance(p)) say(sentences);
  }
  void paragraph();
  std::string expand(std::string_view text);

  // A question with its answer; wrong choices are drawn from `others`, or from a rule with `before` put before each.
  void ask(std::string_view question, std::string answer, std::string_view rule, std::string_view before = {});
  void ask(std::string_view question, std::string answer, std::vector<std::string> others);
  // Who ...?  The wrong choices are the other people of the story and strangers.
  void ask_who(std::string_view question, char answer);
  // Who has the thing now, or where it is: as the state says.
  void ask_holder(char thing);
  void ask_spot(char thing, std::string_view rule);
  void ask_color(char thing);
  void ask_number(std::string_view question, int n);

  Story finish();

 private:
  const std::string* value(std::string_view name) const;
  std::string slot(std::string_view name);
  std::string person_slot(int who, std::string_view form);
  std::string thing_slot(Thing& thing, std::string_view form);
  std::string place_slot(const Place& place, std::string_view form);
  std::string mention(int who);
  std::string introduction(int who);
  bool clear(int who) const;  // a pronoun can only mean this one
  void touch(int who);
  void end_sentence();
  void add_person(char letter, Character character);
  std::string fresh_name(bool female, bool adult, bool animal);

  const Grammar& grammar_;
  Dice& dice_;
  std::vector<Character> people_;
  std::vector<Thing> things_;
  std::vector<Place> places_;
  std::array<int, 26> letters_ = [] {
    std::array<int, 26> none;
    none.fill(-1);
    return none;
  }();
  std::vector<std::pair<std::string, std::string>> values_;
  std::string text_;
  std::vector<Question> questions_;
  double told_bits_ = 0;  // of choice in the tale, before the questions
  // Whom "she" and "he" mean: the last one, when one sentence named only one of them.
  std::array<int, 2> salient_ = {-1, -1};
  std::array<std::vector<int>, 2> named_;  // in the sentence at hand
};

// One family of stories.
using Plot = void (*)(Scene&);
std::span<const Plot> story_plots();

}  // namespace facet
