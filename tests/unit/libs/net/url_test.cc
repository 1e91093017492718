#include "libs/net/url.h"

#include <string>

#include <gtest/gtest.h>

namespace oa::net {
namespace {

Url parsed(const std::string& text) {
  const Result<Url> url = parse_url(text);
  EXPECT_TRUE(url.ok()) << text << ": " << (url ? "" : to_string(url.error()));
  return url ? *url : Url{};
}

TEST(Url, is_scheme_host_port_and_target) {
  EXPECT_EQ(parsed("http://a.example:81/b/c%20d?x=1&y"),
            (Url{"http", "a.example", 81, "/b/c%20d?x=1&y"}));
  EXPECT_EQ(parsed("https://example.com"), (Url{"https", "example.com", 443, "/"}));
  EXPECT_EQ(parsed("HTTP://EXAMPLE.com?Q"), (Url{"http", "example.com", 80, "/?Q"}));
  EXPECT_EQ(parsed("http://127.0.0.1:8080/"), (Url{"http", "127.0.0.1", 8080, "/"}));
  EXPECT_EQ(parsed("https://[::1]:8443/a"), (Url{"https", "::1", 8443, "/a"}));
  EXPECT_EQ(parsed("http://[FE80::1]"), (Url{"http", "fe80::1", 80, "/"}));
  EXPECT_EQ(parsed("http+unix://%2Frun%2fa%20b.sock/run?x"),
            (Url{"http+unix", "/run/a b.sock", 0, "/run?x"}));
}

TEST(Url, is_refused_when_it_is_none_that_the_client_calls) {
  const std::string long_path(200, 'a');
  for (const std::string& text : {
           std::string(),
           std::string("example.com"),
           std::string("/a"),
           std::string("ftp://example.com/"),
           std::string("http:/example.com"),
           std::string("http://"),
           std::string("http:///a"),
           std::string("http://:80/"),
           std::string("http://user@example.com/"),
           std::string("http://u:p@example.com/"),
           std::string("http://example.com/#top"),
           std::string("http://example.com#top"),
           std::string("http://example.com:/"),
           std::string("http://example.com:0/"),
           std::string("http://example.com:65536/"),
           std::string("http://example.com:-1/"),
           std::string("http://example.com:+80/"),
           std::string("http://example.com:80x/"),
           std::string("http://example.com:99999999999/"),
           std::string("http://exa mple.com/"),
           std::string("http://example.com/a b"),
           std::string("http://example.com/a\r\nHost: b"),
           std::string("http://example.com/\0", 20),
           std::string("http://example.com/\x7f"),
           std::string("http://example.com/\xc3\xa4"),
           std::string("http://ex\xc3\xa4mple.com/"),
           std::string("http://a..b/"),
           std::string("http://.a/"),
           std::string("http://a%2eb/"),
           std::string("http://a\\b/"),
           std::string("http://::1/"),
           std::string("http://[::1/"),
           std::string("http://[::1]x/"),
           std::string("http://[::1\0x]/", 15),
           std::string("http://[1.2.3.4]/"),
           std::string("http://[fe80::1%25eth0]/"),
           std::string("http://[]/"),
           std::string("http+unix://run/a"),
           std::string("http+unix://%2/a"),
           std::string("http+unix://%2Frun%00/a"),
           std::string("http+unix://%2F/a"),
           "http+unix://%2F" + long_path + "/a",
           "http://" + long_path + long_path + "/",
           "http://a/" + std::string(9000, 'x'),
       }) {
    const Result<Url> url = parse_url(text);
    ASSERT_FALSE(url.ok()) << text;
    EXPECT_EQ(url.error().code, Code::kInvalidRequest) << text;
  }
}

TEST(Url, tells_no_secrets_when_it_is_refused) {
  for (const char* text : {"http://user:secret@example.com/", "http://example.com:x/?key=secret"}) {
    EXPECT_EQ(parse_url(text).error().detail.find("secret"), std::string::npos) << text;
  }
}

TEST(Url, made_by_hand_is_held_to_the_same_rules) {
  EXPECT_TRUE(check_url({"http", "a", 1, "/"}).ok());
  EXPECT_FALSE(check_url({"http", "a", 0, "/"}).ok());
  EXPECT_FALSE(check_url({"http", "A", 1, "/"}).ok());
  EXPECT_FALSE(check_url({"http", "", 1, "/"}).ok());
  EXPECT_FALSE(check_url({"http", "a\r\nb", 1, "/"}).ok());
  EXPECT_FALSE(check_url({"http", "a", 1, ""}).ok());
  EXPECT_FALSE(check_url({"http", "a", 1, "*"}).ok());
  EXPECT_FALSE(check_url({"http", "a", 1, "/ HTTP/1.1\r\nX: y"}).ok());
  EXPECT_FALSE(check_url({"http+unix", "a", 0, "/"}).ok());
  EXPECT_FALSE(check_url({"gopher", "a", 1, "/"}).ok());
}

TEST(Url, is_printed_as_it_is_read) {
  for (const char* text : {"http://a.example/", "http://a.example:81/b?c", "https://[::1]/",
                           "https://[::1]:8443/x", "http+unix://%2Frun%2Fa%20b.sock/run?x=%20"}) {
    EXPECT_EQ(to_string(parsed(text)), text);
  }
  EXPECT_EQ(to_string(parsed("http://a.example:80")), "http://a.example/");
}

TEST(Url, names_its_authority_for_the_host_header) {
  EXPECT_EQ(host_header(parsed("http://a.example/")), "a.example");
  EXPECT_EQ(host_header(parsed("https://a.example:80/")), "a.example:80");
  EXPECT_EQ(host_header(parsed("http://[::1]:8080/")), "[::1]:8080");
  EXPECT_EQ(host_header(parsed("http+unix://%2Frun%2Fa.sock/")), "localhost");
}

}  // namespace
}  // namespace oa::net
