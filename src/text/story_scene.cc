#include "text/story_scene.h"

#include <algorithm>
#include <cctype>

#include "base/check.h"

namespace facet {
namespace {

bool is_person(char letter) { return letter >= 'a' && letter <= 'e'; }
bool is_place(char letter) { return letter >= 'k' && letter <= 'n'; }
bool is_thing(char letter) { return letter >= 'o' && letter <= 'r'; }

}  // namespace

void Scene::add_person(char letter, Character character) {
  FACET_CHECK(is_person(letter), "people have the letters a to e");
  letters_[std::size_t(letter - 'a')] = static_cast<int>(people_.size());
  people_.push_back(std::move(character));
}

std::string Scene::fresh_name(bool female, bool adult, bool animal) {
  for (;;) {
    std::string_view rule = animal && dice_.chance(0.4) ? "pet_name"
                            : adult                     ? (female ? "lady_name" : "gentleman_name")
                                                        : (female ? "girl_name" : "boy_name");
    std::string name = dice_.pick(grammar_.rule(rule));
    if (std::none_of(people_.begin(), people_.end(), [&](const Character& c) { return c.name == name; })) return name;
  }
}

void Scene::hero() {
  bool animal = dice_.chance(0.25), female = dice_.chance(0.5);
  std::string kind = animal ? dice_.pick(grammar_.rule("animal_kind")) : female ? "girl" : "boy";
  add_person('a', {.name = fresh_name(female, false, animal),
                   .kind = kind,
                   .female = female,
                   .animal = animal,
                   .introduced = true});
}

void Scene::friend_as(char letter) {
  bool animal = person('a').animal, female = dice_.chance(0.5);
  std::string kind = animal ? dice_.pick(grammar_.rule("animal_kind")) : female ? "girl" : "boy";
  add_person(letter, {.name = fresh_name(female, false, animal), .kind = kind, .female = female, .animal = animal});
}

void Scene::adult_as(char letter) {
  bool animal = person('a').animal, female = dice_.chance(0.5);
  Character c{.name = fresh_name(female, !animal, animal), .female = female, .adult = true, .animal = animal};
  c.kind = animal ? dice_.pick(grammar_.rule("animal_kind")) : female ? "woman" : "man";
  bool family = !c.name.starts_with("M");
  if (!animal && !family) c.job = dice_.pick(grammar_.rule(female ? "lady_job" : "gentleman_job"));
  add_person(letter, std::move(c));
}

void Scene::helper_as(char letter) { dice_.chance(0.5) ? friend_as(letter) : adult_as(letter); }

void Scene::alias(char letter, char person) {
  letters_[std::size_t(letter - 'a')] = letters_[std::size_t(person - 'a')];
}

void Scene::thing(char letter, std::string_view rule) {
  FACET_CHECK(is_thing(letter), "things have the letters o to r");
  Thing thing;
  do {
    thing.noun = pick(rule);
  } while (std::any_of(things_.begin(), things_.end(), [&](const Thing& t) { return t.noun == thing.noun; }));
  thing.look = dice_.pick(grammar_.rule("look"));
  do {
    thing.color = dice_.pick(grammar_.rule("color"));
  } while (std::any_of(things_.begin(), things_.end(), [&](const Thing& t) { return t.color == thing.color; }));
  letters_[std::size_t(letter - 'a')] = static_cast<int>(things_.size());
  things_.push_back(std::move(thing));
}

void Scene::place(char letter) { place(letter, dice_.chance(0.65)); }
void Scene::place(char letter, bool outdoors) {
  FACET_CHECK(is_place(letter), "places have the letters k to n");
  Place place{.at = {}, .outdoors = outdoors};
  do {
    place.at = dice_.pick(grammar_.rule(outdoors ? "outdoor_place" : "indoor_place"));
  } while (std::any_of(places_.begin(), places_.end(), [&](const Place& p) { return p.at == place.at; }));
  letters_[std::size_t(letter - 'a')] = static_cast<int>(places_.size());
  places_.push_back(std::move(place));
}

void Scene::set(std::string_view name, std::string value) {
  for (auto& [key, old] : values_)
    if (key == name) {
      old = std::move(value);
      return;
    }
  values_.emplace_back(name, std::move(value));
}

std::string Scene::pick(std::string_view rule) { return expand(dice_.pick(grammar_.rule(rule))); }

std::vector<std::string> Scene::pick_distinct(std::string_view rule, std::size_t n) {
  std::vector<std::string> out;
  while (out.size() < n) {
    std::string one = pick(rule);
    if (std::find(out.begin(), out.end(), one) == out.end()) out.push_back(std::move(one));
  }
  return out;
}

Character& Scene::person(char letter) {
  int at = is_person(letter) ? letters_[std::size_t(letter - 'a')] : -1;
  FACET_CHECK(at >= 0, "no such person in this story");
  return people_[std::size_t(at)];
}
Thing& Scene::object(char letter) {
  int at = is_thing(letter) ? letters_[std::size_t(letter - 'a')] : -1;
  FACET_CHECK(at >= 0, "no such thing in this story");
  return things_[std::size_t(at)];
}
Place& Scene::at(char letter) {
  int at = is_place(letter) ? letters_[std::size_t(letter - 'a')] : -1;
  FACET_CHECK(at >= 0, "no such place in this story");
  return places_[std::size_t(at)];
}

void Scene::give(char thing, char to) {
  object(thing).holder = static_cast<int>(&person(to) - people_.data());
  object(thing).spot.clear();
}
void Scene::put(char thing, std::string spot) {
  object(thing).holder = -1;
  object(thing).spot = std::move(spot);
}

// Pronouns: "she" is clear when the last sentence that named women named only this one, and this sentence named no
// other.
bool Scene::clear(int who) const {
  std::size_t g = people_[std::size_t(who)].female;
  for (int other : named_[g])
    if (other != who) return false;
  return salient_[g] == who || !named_[g].empty();
}
void Scene::touch(int who) {
  auto& named = named_[people_[std::size_t(who)].female];
  if (std::find(named.begin(), named.end(), who) == named.end()) named.push_back(who);
}
void Scene::end_sentence() {
  for (std::size_t g = 0; g < 2; ++g) {
    if (named_[g].size() == 1) salient_[g] = named_[g][0];
    if (named_[g].size() > 1) salient_[g] = -1;
    named_[g].clear();
  }
}

std::string Scene::introduction(int who) {
  Character& c = people_[std::size_t(who)];
  c.introduced = true;
  std::string name = c.name;
  if (c.animal) return pick(c.adult ? "introduce_old_animal" : "introduce_animal") + " " + name;
  if (!c.adult) return pick("introduce_child") + " " + name;
  if (c.job.empty()) return name;
  return dice_.chance(0.7) ? name + " the " + c.job : person_slot(0, "p") + " neighbor " + name;
}

std::string Scene::mention(int who) {
  std::string text;
  if (people_[std::size_t(who)].introduced) {
    text = people_[std::size_t(who)].name;
  } else {
    set("kind", people_[std::size_t(who)].kind);
    text = introduction(who);
  }
  touch(who);
  return text;
}

std::string Scene::person_slot(int who, std::string_view form) {
  const Character& c = people_[std::size_t(who)];
  auto pronoun = [&](const char* she, const char* he) { return std::string(c.female ? she : he); };
  if (form.empty()) return mention(who);
  if (form == "name") return c.name;
  if (form == "kind") return c.kind;
  if (form == "home") return pick(c.animal ? "burrow" : "home");
  if (form == "he") return pronoun("she", "he");
  if (form == "him") return pronoun("her", "him");
  if (form == "his") return pronoun("her", "his");
  if (form == "self") return pronoun("herself", "himself");
  bool use_pronoun = c.introduced && clear(who) && dice_.chance(0.85);
  if (form == "s") {
    if (!use_pronoun) return mention(who);
    touch(who);
    return pronoun("she", "he");
  }
  if (form == "o") {
    if (!use_pronoun) return mention(who);
    touch(who);
    return pronoun("her", "him");
  }
  FACET_CHECK(form == "p", "unknown form of a person in a story template");
  if (use_pronoun) return pronoun("her", "his");
  if (!c.introduced && !c.adult) {  // "her friend Tom's", never "a boy from next door named Tom's"
    people_[std::size_t(who)].introduced = true;
    touch(who);
    return person_slot(0, "p") + " friend " + c.name + "'s";
  }
  return mention(who) + "'s";
}

std::string Scene::thing_slot(Thing& thing, std::string_view form) {
  if (form.empty()) return thing.noun;
  if (form == "c") return thing.color + " " + thing.noun;
  if (form == "a") return "a(n) " + (dice_.chance(0.75) ? thing.look + " " : "") + thing.color + " " + thing.noun;
  if (form == "the") return "the " + (dice_.chance(0.3) ? thing.color + " " : "") + thing.noun;
  FACET_CHECK(form == "color", "unknown form of a thing in a story template");
  return thing.color;
}

std::string Scene::place_slot(const Place& place, std::string_view form) {
  std::string name = place.at.substr(place.at.find(' ') + 1);
  if (form.empty()) return name;
  if (form == "at") return place.at;
  if (form == "to") return "to " + name;
  FACET_CHECK(form == "scenery", "unknown form of a place in a story template");
  return pick(place.outdoors ? "scenery_out" : "scenery_in");
}

const std::string* Scene::value(std::string_view name) const {
  for (const auto& [key, value] : values_)
    if (key == name) return &value;
  return nullptr;
}

std::string Scene::slot(std::string_view name) {
  bool capital = std::isupper(static_cast<unsigned char>(name[0]));
  char letter = static_cast<char>(std::tolower(static_cast<unsigned char>(name[0])));
  std::string_view form = name.size() > 2 && name[1] == '.' ? name.substr(2) : std::string_view();
  FACET_CHECK(name.size() == 1 || !form.empty(), ("unknown slot in a story template: " + std::string(name)).c_str());
  std::string text;
  if (is_person(letter))
    text = person_slot(static_cast<int>(&person(letter) - people_.data()), form);
  else if (is_thing(letter))
    text = thing_slot(object(letter), form);
  else
    text = place_slot(at(letter), form);
  return capital ? capitalized(text) : text;
}

std::string Scene::expand(std::string_view text) {
  std::string out;
  Grammar::Sink sink;
  sink.value = [&](std::string_view name) { return value(name); };
  sink.slot = [&](std::string_view name) { return slot(name); };
  sink.literal = [&](std::string_view part) { out += part; };
  grammar_.expand(text, dice_, sink);
  return out;
}

void Scene::say(std::string_view sentences) {
  std::string out;
  Grammar::Sink sink;
  bool from_slot = false;  // "Mrs. Reed" ends no sentence
  sink.value = [&](std::string_view name) { return value(name); };
  sink.slot = [&](std::string_view name) {
    from_slot = true;
    return slot(name);
  };
  sink.literal = [&](std::string_view part) {
    out += part;
    if (!from_slot && part.find_first_of(".!?") != part.npos) end_sentence();
    from_slot = false;
  };
  grammar_.expand(sentences, dice_, sink);
  end_sentence();
  out = settle_articles(std::move(out));
  if (out.empty()) return;
  for (std::size_t at; (at = out.find("  ")) != out.npos;) out.erase(at, 1);
  if (!text_.empty() && text_.back() != '\n') text_ += ' ';
  text_ += capitalized(std::move(out));
}

void Scene::paragraph() {
  if (!text_.empty() && text_.back() != '\n') text_ += "\n\n";
}

void Scene::ask(std::string_view question, std::string answer, std::string_view rule, std::string_view before) {
  if (questions_.empty()) told_bits_ = dice_.bits();
  std::vector<std::string> others = pick_distinct(rule, 4);
  for (std::string& other : others) other = std::string(before) + other;
  ask(question, std::move(answer), std::move(others));
}

void Scene::ask(std::string_view question, std::string answer, std::vector<std::string> others) {
  if (questions_.empty()) told_bits_ = std::max(told_bits_, dice_.bits());
  Question q;
  q.text = settle_articles(capitalized(expand(question)));
  q.answer = settle_articles(std::move(answer));
  q.choices = {q.answer};
  dice_.shuffle(others);
  for (std::string& other : others) {
    if (q.choices.size() == 4) break;
    other = settle_articles(std::move(other));
    if (std::find(q.choices.begin(), q.choices.end(), other) == q.choices.end()) q.choices.push_back(std::move(other));
  }
  FACET_CHECK(q.choices.size() >= 2, "a story question needs a wrong choice");
  dice_.shuffle(q.choices);
  questions_.push_back(std::move(q));
}

void Scene::ask_who(std::string_view question, char answer) {
  const std::string& right = person(answer).name;
  std::vector<std::string> others;
  for (const Character& c : people_)
    if (c.name != right) others.push_back(c.name);
  while (others.size() < 3) {
    std::string name = dice_.pick(grammar_.rule(dice_.chance(0.5) ? "girl_name" : "boy_name"));
    if (name != right && std::find(others.begin(), others.end(), name) == others.end()) others.push_back(name);
  }
  ask(question, right, std::move(others));
}

void Scene::ask_holder(char letter) {
  const Thing& t = object(letter);
  FACET_CHECK(t.holder >= 0, "nobody holds the thing that the question is about");
  set("thing", dice_.chance(0.5) ? t.noun : t.color + " " + t.noun);
  for (char who = 'a'; who <= 'e'; ++who)
    if (letters_[std::size_t(who - 'a')] == t.holder) {
      ask_who("{Who has the <thing> {now|at the end}?|Who {ended up|was left} with the <thing>?}", who);
      return;
    }
}

void Scene::ask_spot(char letter, std::string_view rule) {
  const Thing& t = object(letter);
  FACET_CHECK(!t.spot.empty(), "the thing that the question is about lies nowhere");
  set("thing", dice_.chance(0.5) ? t.noun : t.color + " " + t.noun);
  ask("{Where is the <thing> {now|at the end}?|Where did the <thing> end up?}", t.spot, rule);
}

void Scene::ask_color(char letter) {
  ask("What color was the " + object(letter).noun + "?", object(letter).color, "color");
}

void Scene::ask_number(std::string_view question, int n) {
  static const char* kWords[] = {"none",  "one",   "two",  "three", "four",   "five",  "six",
                                 "seven", "eight", "nine", "ten",   "eleven", "twelve"};
  FACET_CHECK(n >= 0 && n <= 12, "story numbers go up to twelve");
  std::vector<std::string> others;
  for (int near : {n - 2, n - 1, n + 1, n + 2})
    if (near > 0 && near <= 12) others.emplace_back(kWords[near]);
  ask(question, kWords[n], std::move(others));
}

Story Scene::finish() {
  Story story;
  while (!text_.empty() && (text_.back() == '\n' || text_.back() == ' ')) text_.pop_back();
  story.text = std::move(text_);
  dice_.shuffle(questions_);
  story.questions = std::move(questions_);
  std::size_t n = dice_.below(10);
  story.bits = told_bits_;
  constexpr std::size_t kAsked[] = {0, 0, 0, 0, 1, 1, 1, 2, 2, 3};
  story.n_asked = std::min(story.questions.size(), kAsked[n]);
  return story;
}

}  // namespace facet
