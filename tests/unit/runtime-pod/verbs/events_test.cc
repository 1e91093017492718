#include "runtime-pod/verbs/events.h"

#include <gtest/gtest.h>

namespace oa::runtime {
namespace {

TEST(WebhookEnvelopeId, is_the_source_and_the_senders_id) {
  EXPECT_EQ(webhook_envelope_id("github", "72d3162e-cc78"), "github:72d3162e-cc78");
}

TEST(WebhookEnvelopeId, stands_in_a_url_whatever_the_sender_says) {
  const std::string odd = webhook_envelope_id("own", "a/b?c");
  EXPECT_EQ(odd.find_first_of("/?"), std::string::npos);
  EXPECT_NE(odd, webhook_envelope_id("own", "a/b?d"));
  EXPECT_LE(webhook_envelope_id(std::string(63, 's'), std::string(256, 'x')).size(), 256u);
}

}  // namespace
}  // namespace oa::runtime
