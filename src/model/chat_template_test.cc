#include "model/chat_template.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/atomic_file.h"
#include "formats/gguf/gguf_writer.h"

namespace facet {
namespace {

TEST(ChatTemplate, IsFoundWhereModelsKeepIt) {
  namespace fs = std::filesystem;
  std::string name = (fs::temp_directory_path() / "chat_template_XXXXXX").string();
  ASSERT_NE(mkdtemp(name.data()), nullptr);
  const fs::path folder(name);
  EXPECT_EQ(*load_chat_template(folder), "");
  ASSERT_TRUE(write_text_file(folder / "tokenizer_config.json", R"({"bos_token": "<bos>"})").ok());
  EXPECT_EQ(*load_chat_template(folder), "");
  ASSERT_TRUE(write_text_file(folder / "tokenizer_config.json", R"({"chat_template": "a"})").ok());
  EXPECT_EQ(*load_chat_template(folder), "a");
  ASSERT_TRUE(write_text_file(folder / "chat_template.jinja", "b\n").ok());
  EXPECT_EQ(*load_chat_template(folder), "b\n");
  ASSERT_TRUE(write_text_file(folder / "x.gguf", "GGUF").ok());
  EXPECT_FALSE(load_chat_template(folder / "x.gguf").ok());
  GgufWriter out;
  out.add("tokenizer.chat_template", std::string_view("c"));
  ASSERT_TRUE(out.open(folder / "y.gguf").ok() && out.commit().ok());
  EXPECT_EQ(*load_chat_template(folder / "y.gguf"), "c");
  EXPECT_EQ(load_chat_template(folder / "absent.gguf").status().code(), Code::kNotFound);
  fs::remove(folder / "chat_template.jinja");
  ASSERT_TRUE(write_text_file(folder / "tokenizer_config.json", "[").ok());
  EXPECT_EQ(load_chat_template(folder).status().code(), Code::kCorrupt);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace facet
