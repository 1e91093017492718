// What a client sends: the same requests come of it however it is cut into packets.
#include <vector>

#include "libs/net/request_reader_impl.h"
#include "tests/fuzz/fuzz.h"

using namespace oa;

namespace {

// Low, so that inputs reach them.
constexpr std::size_t kHeaderBytes = 512;
constexpr std::size_t kBodyBytes = 256;

// One connection, up to its first refusal.
class Connection {
 public:
  void take(std::string_view bytes) {
    input_ += bytes;
    while (!refused_) {
      std::string_view rest = input_;
      const auto outcome = reader_.feed(rest);
      input_.erase(0, input_.size() - rest.size());
      if (outcome == net::RequestReader::Outcome::kNeedMore) return;
      if (outcome == net::RequestReader::Outcome::kRefused) {
        refused_ = true;
        fuzz::require(!reader_.refusal().detail.empty(), "say why it refuses a request");
        return;
      }
      requests_.push_back(std::move(reader_.request()));
      fuzz::require(requests_.back().body.size() <= kBodyBytes, "keep to the limit of bodies");
      std::destroy_at(&reader_);
      std::construct_at(&reader_, kHeaderBytes, kBodyBytes);
    }
  }

  bool is_refused() const { return refused_; }
  bool is_in_chunks() {
    return reader_.has_headers() && reader_.request().headers.find("Transfer-Encoding");
  }
  const std::vector<net::Request>& requests() const { return requests_; }

 private:
  net::RequestReader reader_{kHeaderBytes, kBodyBytes};
  std::string input_;
  std::vector<net::Request> requests_;
  bool refused_ = false;
};

bool is_same(const net::Request& a, const net::Request& b) {
  return a.method == b.method && a.target == b.target && a.body == b.body &&
         a.headers.fields() == b.headers.fields();
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = fuzz::text_of(data, size);
  Connection whole;
  whole.take(bytes);
  Connection cut;
  fuzz::in_pieces(bytes, [&](std::string_view piece) { cut.take(piece); });
  fuzz::require(std::equal(whole.requests().begin(), whole.requests().end(), cut.requests().begin(),
                           cut.requests().end(), is_same),
                "read the same requests from packets of any size");
  // A malformed chunk may be refused sooner or later: its last five bytes are awaited, and Beast
  // counts a chunk against the limit anew with each packet of an extension that has no end.
  if (whole.is_in_chunks() && cut.is_in_chunks()) return 0;
  fuzz::require(whole.is_refused() == cut.is_refused(), "refuse the same in packets of any size");
  return 0;
}
