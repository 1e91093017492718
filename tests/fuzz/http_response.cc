// What a server answers to our client: the same comes of it however it is cut into packets.
#include "libs/net/response_reader_impl.h"
#include "tests/fuzz/fuzz.h"

using namespace oa;

namespace {

constexpr std::size_t kBodyBytes = 256;  // low, so that inputs reach it
using Asked = net::ResponseReader::Asked;
using Outcome = net::ResponseReader::Outcome;

// One exchange, up to the end of the answer.
class Exchange {
 public:
  explicit Exchange(Asked asked) : reader_(asked, kBodyBytes) {}

  void take(std::string_view bytes) {
    input_ += bytes;
    std::string_view rest = input_;
    while (last_ != Outcome::kRefused && last_ != Outcome::kComplete) {
      last_ = reader_.feed(rest);
      if (last_ == Outcome::kNeedMore) break;
      if (last_ == Outcome::kHead) {
        fuzz::require(!has_head_, "have one head");
        has_head_ = true;
      } else if (last_ == Outcome::kBody) {
        fuzz::require(has_head_ && !reader_.piece().empty(), "give its pieces after the head");
        body_ += reader_.piece();
        fuzz::require(body_.size() <= kBodyBytes, "keep to the limit of bodies");
      }
    }
    input_.erase(0, input_.size() - rest.size());
  }

  bool operator==(const Exchange& other) const {
    if (last_ != other.last_ || has_head_ != other.has_head_) return false;
    if (last_ == Outcome::kRefused) return true;  // how much was read before is not said
    return !has_head_ || (reader_.status() == other.reader_.status() && body_ == other.body_ &&
                          reader_.ends_here() == other.reader_.ends_here() &&
                          (last_ != Outcome::kComplete || input_ == other.input_));
  }

 private:
  net::ResponseReader reader_;
  std::string input_;
  std::string body_;
  bool has_head_ = false;
  Outcome last_ = Outcome::kNeedMore;
};

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = fuzz::text_of(data, size);
  for (const Asked asked : {Asked::kWhole, Asked::kHeadOnly}) {
    Exchange whole(asked);
    whole.take(bytes);
    // What follows a complete answer is left to the next exchange, so it has to be there in both.
    Exchange cut(asked);
    fuzz::in_pieces(bytes, [&](std::string_view piece) { cut.take(piece); });
    fuzz::require(whole == cut, "read the same answer from packets of any size");
  }
  return 0;
}
