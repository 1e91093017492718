#include "runtime-pod/http/intake.h"

#include <gtest/gtest.h>

#include "runtime-pod/http/path.h"

namespace oa::runtime {
namespace {

using std::chrono::seconds;

Preferences read(std::initializer_list<std::string> values) {
  net::Headers headers;
  for (const std::string& value : values) headers.add("prefer", value);
  return read_preferences(headers);
}

TEST(Preferences, are_read_as_rfc_7240_has_them) {
  EXPECT_EQ(read({"wait=10"}).patience(), seconds(10));
  EXPECT_EQ(read({"WAIT = \"10\""}).patience(), seconds(10));
  EXPECT_EQ(read({"respond-async"}).patience(), seconds(0));
  EXPECT_EQ(read({"respond-async, wait=10"}).patience(), seconds(10));
  EXPECT_EQ(read({"return=minimal", "wait=10; foo=bar, handling=lenient"}).patience(), seconds(10));
  EXPECT_EQ(read({"wait=10, wait=20"}).patience(), seconds(10));
  EXPECT_EQ(read({"wait=10", "respond-async"}).applied(), "respond-async, wait=10");
}

TEST(Preferences, are_ignored_where_they_cannot_be_read) {
  for (const char* text : {"", ",", ";", "=", "wait", "wait=", "wait=x", "wait=-1", "wait=1.5",
                           "wait=99999999999999999999", "waits=1", "wait=\""}) {
    EXPECT_EQ(read({text}).patience(), std::nullopt) << text;
    EXPECT_EQ(read({text}).applied(), "") << text;
  }
}

TEST(Accept, names_media_types_with_parameters) {
  EXPECT_TRUE(accepts("text/event-stream", "text/event-stream"));
  EXPECT_TRUE(accepts("application/json;q=0.5, Text/Event-Stream ; q=1", "text/event-stream"));
  EXPECT_FALSE(accepts("*/*", "text/event-stream"));
  EXPECT_FALSE(accepts("", "text/event-stream"));
}

TEST(PathSegment, keeps_what_needs_no_encoding) {
  EXPECT_EQ(path_segment("aZ0-._~"), "aZ0-._~");
  EXPECT_EQ(path_segment("a/b c%\xc3\xa4"), "a%2Fb%20c%25%C3%A4");
}

}  // namespace
}  // namespace oa::runtime
