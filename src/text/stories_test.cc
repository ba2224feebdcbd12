#include "text/stories.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_set>

#include "base/mapped_file.h"
#include "text/bpe.h"
#include "text/story_grammar.h"
#include "text/story_scene.h"

namespace facet {
namespace {

// A folder of this test's own, gone with it.
struct Folder {
  Folder() { std::filesystem::remove_all(path); }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path =
      ::testing::TempDir() + "facet_stories_" + ::testing::UnitTest::GetInstance()->current_test_info()->name();
};

bool contains(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

TEST(Grammar, ExpandsChoicesOptionsRulesAndArticles) {
  static const std::string_view kSource[] = {
      "# words\ncolor = red | amber\nthing = a(n) <color> owl\n  | {one|two} owls\n"};
  Grammar grammar(kSource);
  EXPECT_EQ(grammar.rule("color"), (std::vector<std::string>{"red", "amber"}));
  EXPECT_EQ(grammar.rule("thing"), (std::vector<std::string>{"a(n) <color> owl", "{one|two} owls"}));
  Dice dice(1, 0);
  std::set<std::string> seen;
  for (int i = 0; i < 200; ++i) {
    std::string out;
    Grammar::Sink sink{.value = [](std::string_view) { return nullptr; },
                       .slot = [](std::string_view name) { return "(" + std::string(name) + ")"; },
                       .literal = [&](std::string_view part) { out += part; }};
    grammar.expand("<thing>[ x]|<who>", dice, sink);
    seen.insert(settle_articles(out));
  }
  EXPECT_EQ(seen, (std::set<std::string>{"a red owl", "an amber owl", "one owls", "two owls", "a red owl x",
                                         "an amber owl x", "one owls x", "two owls x", "(who)"}));
  EXPECT_GT(dice.bits(), 200.0);
}

TEST(Grammar, Articles) {
  EXPECT_EQ(settle_articles("a(n) owl and a(n) red owl"), "an owl and a red owl");
  EXPECT_EQ(settle_articles("A(n) unicorn, a(n) honest man, a(n) hour"), "A unicorn, an honest man, an hour");
}

// Every <name> in the rules is a rule or a slot that Scene knows.
TEST(Grammar, EveryReferenceOfTheStoryRulesResolves) {
  const Grammar& grammar = Grammar::stories();
  const std::set<std::string> kForms = {"name", "s",    "o",  "p",  "he",      "him", "his", "self",
                                        "kind", "home", "at", "to", "scenery", "a",   "c",   "the"};
  for (const auto& [name, alternatives] : grammar.rules())
    for (const std::string& text : alternatives) {
      EXPECT_FALSE(text.empty()) << name;
      for (std::size_t at = text.find('<'); at != text.npos; at = text.find('<', at + 1)) {
        std::string reference = text.substr(at + 1, text.find('>', at) - at - 1);
        bool letter = std::isalpha(reference[0]) &&
                      (reference.size() == 1 || (reference[1] == '.' && kForms.contains(reference.substr(2))));
        EXPECT_TRUE(letter || grammar.has(reference) || reference == "kind") << name << ": <" << reference << ">";
      }
    }
}

TEST(Stories, ArePureFunctionsOfSeedAndIndex) {
  for (std::uint64_t i : {std::uint64_t{0}, std::uint64_t{7}, kValidStories + 3, kTestStories}) {
    Story a = make_story(1, i), b = make_story(1, i);
    EXPECT_EQ(a.document(), b.document());
    EXPECT_NE(a.text, make_story(2, i).text);
    EXPECT_NE(a.text, make_story(1, i + 1).text);
  }
}

// The built-in model and its tokenizer were trained on exactly this text: whoever changes a story trains them anew and
// then writes the new number here.
TEST(Stories, AreTheOnesTheBuiltInModelKnows) {
  std::string all;
  for (std::uint64_t i = 0; i < 200; ++i) all += make_story(1, i).document() + "\n";
  EXPECT_EQ(hash_bytes(all), 5898288183753558228u);
}

TEST(Stories, AreCleanText) {
  double bits = 0, bytes = 0;
  for (std::uint64_t i = 0; i < 1500; ++i) {
    Story story = make_story(3, i);
    std::string document = story.document();
    for (char c : document) ASSERT_TRUE(c == '\n' || (c >= ' ' && c < 127)) << document;
    for (std::string_view bad : {"<",  ">",  "{",  "}",  "[",  "]",  "|",  "(",  ")",   "  ", " ,",
                                 " .", "..", ",.", " !", "?.", "!.", ".,", ",,", " \n", "\n "})
      ASSERT_FALSE(contains(document, bad)) << "'" << bad << "' in: " << document;
    // A sentence begins with a capital.
    for (std::size_t at = 0; at + 2 < story.text.size(); ++at)
      if ((story.text[at] == '.' || story.text[at] == '\n') && story.text[at + 1] == ' ') {
        ASSERT_FALSE(std::islower(static_cast<unsigned char>(story.text[at + 2]))) << document;
      }
    ASSERT_EQ(std::count(document.begin(), document.end(), '"') % 2, 0) << document;
    ASSERT_GT(document.size(), 200u);
    ASSERT_LT(document.size(), 1600u);
    ASSERT_EQ(split_documents(document).size(), 1u);
    bits += story.bits;
    bytes += double(story.text.size());
  }
  // Rich enough that a small model does not predict everything: see docs/stories.md.
  EXPECT_GT(bits / bytes, 0.3);
}

TEST(Stories, QuestionsHaveOneRightAnswerAmongDistinctChoices) {
  std::set<std::string> asked;
  std::size_t n_in_text = 0, n = 0;
  for (std::uint64_t i = 0; i < 1500; ++i) {
    Story story = make_story(4, i);
    ASSERT_GE(story.questions.size(), 3u) << story.text;
    ASSERT_LE(story.n_asked, story.questions.size());
    for (const Question& q : story.questions) {
      ASSERT_EQ(std::count(q.choices.begin(), q.choices.end(), q.answer), 1) << q.text;
      ASSERT_EQ(std::set<std::string>(q.choices.begin(), q.choices.end()).size(), q.choices.size());
      ASSERT_GE(q.choices.size(), 2u);
      ASSERT_LE(q.choices.size(), 4u);
      ASSERT_TRUE(q.text.ends_with("?") && !q.answer.empty()) << q.text;
      ASSERT_FALSE(contains(q.text + q.answer, "<") || contains(q.text + q.answer, "(n)")) << q.text;
      asked.insert(q.text.substr(0, q.text.find(' ')));
      ++n;
      n_in_text += contains(story.text, q.answer);
    }
  }
  EXPECT_EQ(asked, (std::set<std::string>{"How", "What", "Where", "Who", "Whose", "Why"}));
  EXPECT_GT(n_in_text, n * 3 / 4);  // most answers can be read off; the others name a cause
}

TEST(Stories, PromptAndDocumentUseOneFormat) {
  for (std::uint64_t i = 0; i < 50; ++i) {
    Story story = make_story(5, i);
    if (story.n_asked == 0) continue;
    EXPECT_TRUE(story.document().starts_with(story.prompt(story.questions[0]) + " " + story.questions[0].answer + "."));
  }
}

TEST(Stories, NoStoryRepeatsWithinOrAcrossTheParts) {
  std::unordered_set<std::string> seen;
  std::size_t n = 0;
  for (std::uint64_t first : {kTrainStories, kValidStories, kTestStories, kTaskStories})
    for (std::uint64_t i = 0; i < 1500; ++i, ++n) seen.insert(make_story(1, first + i).text);
  EXPECT_EQ(seen.size(), n);
}

TEST(Stories, AllPlotsAndManyWordsOccur) {
  std::set<std::string> words;
  for (std::uint64_t i = 0; i < 1200; ++i) {
    std::string word;
    for (char c : make_story(6, i).text) {
      if (std::isalpha(static_cast<unsigned char>(c))) {
        word += c;
      } else {
        words.insert(word);
        word.clear();
      }
    }
  }
  EXPECT_GT(words.size(), 1500u);
  EXPECT_GE(story_plots().size(), 18u);
}

TEST(Scene, StateFollowsWhatIsGivenAndPut) {
  Dice dice(1, 2);
  Scene scene(Grammar::stories(), dice);
  scene.hero();
  scene.friend_as('b');
  scene.thing('o', "toy");
  scene.give('o', 'a');
  scene.give('o', 'b');
  scene.ask_holder('o');
  scene.put('o', "under the bench");
  scene.ask_spot('o', "outdoor_spot");
  std::string b = scene.person('b').name;
  Story story = scene.finish();
  ASSERT_EQ(story.questions.size(), 2u);
  for (const Question& q : story.questions) EXPECT_EQ(q.answer, q.text.starts_with("Who") ? b : "under the bench");
}

TEST(Scene, PronounsNeedOnePossiblePerson) {
  for (std::uint64_t i = 0; i < 300; ++i) {
    Dice dice(9, i);
    Scene scene(Grammar::stories(), dice);
    scene.hero();
    scene.friend_as('b');
    bool same = scene.person('a').female == scene.person('b').female;
    scene.say("<A> met <b>. <B.s> smiled.");
    std::string text = scene.finish().text;
    EXPECT_FALSE(same && (contains(text, ". She smiled") || contains(text, ". He smiled"))) << text;
  }
}

TEST(Corpus, WritesDisjointPartsAndTasks) {
  Folder folder;
  CorpusOptions options{.seed = 1, .train_tokens = 30000, .heldout_tokens = 10000, .n_tasks = 60};
  Result<CorpusCounts> counts = write_corpus(folder.path + "/deep", options);
  ASSERT_TRUE(counts.ok()) << counts.status().message();
  std::unordered_set<std::string> seen;
  std::size_t n = 0;
  const char* kNames[] = {"train.txt", "valid.txt", "test.txt"};
  for (std::size_t i = 0; i < 3; ++i) {
    std::string text = *read_text_file(folder.path + "/deep/" + kNames[i]);
    EXPECT_EQ(text.size(), counts->n_bytes[i]);
    EXPECT_GE(text.size(), (i ? 10000u : 30000u) * 4);
    EXPECT_LT(text.size(), (i ? 10000u : 30000u) * 4 + 2000);
    std::vector<std::string_view> documents = split_documents(text);
    EXPECT_EQ(documents.size(), counts->n_stories[i]);
    n += documents.size();
    for (std::string_view document : documents) seen.emplace(document.substr(0, document.find("\n\nQuestion: ")));
  }
  EXPECT_EQ(seen.size(), n);
  std::ifstream tasks(folder.path + "/deep/tasks.jsonl");
  int n_tasks = 0;
  for (std::string line; std::getline(tasks, line); ++n_tasks) {
    nlohmann::json task = nlohmann::json::parse(line);
    std::string prompt = task["prompt"], answer = task["answer"];
    std::vector<std::string> choices = task["choices"];
    EXPECT_TRUE(prompt.ends_with("\nAnswer:"));
    EXPECT_EQ(answer[0], ' ');
    EXPECT_EQ(std::count(choices.begin(), choices.end(), answer), 1);
    EXPECT_FALSE(seen.contains(prompt.substr(0, prompt.find("\n\nQuestion: "))));
  }
  EXPECT_EQ(n_tasks, 60);
  std::string again = folder.path + "/again";
  ASSERT_TRUE(write_corpus(again, options).ok());
  for (const char* name : {"train.txt", "valid.txt", "test.txt", "tasks.jsonl"})
    EXPECT_EQ(*read_text_file(again + "/" + name), *read_text_file(folder.path + "/deep/" + name));
}

TEST(Corpus, RefusesWhatCannotBeWritten) {
  EXPECT_EQ(write_corpus("/proc/nowhere", {}).status().code(), Code::kIo);
  Folder folder;
  EXPECT_EQ(write_corpus(folder.path, {.train_tokens = 0}).status().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace facet
