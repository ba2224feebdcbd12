#include "text/documents.h"

#include <gtest/gtest.h>

namespace facet {
namespace {

using Documents = std::vector<std::string_view>;

TEST(Documents, SplitAtSeparatorLines) {
  EXPECT_EQ(split_documents("a\n\nb\n<|endoftext|>\nc\n<|endoftext|>\n"), (Documents{"a\n\nb", "c"}));
  EXPECT_EQ(split_documents("<|endoftext|>\na"), (Documents{"a"}));
  EXPECT_EQ(split_documents("a\n<|endoftext|>\n<|endoftext|>\n\n<|endoftext|>\nb"), (Documents{"a", "b"}));
  EXPECT_EQ(split_documents("a\r\n<|endoftext|>\r\nb\r\n<|endoftext|>"), (Documents{"a", "b"}));
}

TEST(Documents, TextWithoutASeparatorLineIsOne) {
  EXPECT_EQ(split_documents("a\n\n\n\nb\n"), (Documents{"a\n\n\n\nb\n"}));
  EXPECT_EQ(split_documents("say <|endoftext|> now\n<|endoftext|> and"),
            (Documents{"say <|endoftext|> now\n<|endoftext|> and"}));
  EXPECT_TRUE(split_documents("").empty());
  EXPECT_TRUE(split_documents("<|endoftext|>").empty());
}

}  // namespace
}  // namespace facet
