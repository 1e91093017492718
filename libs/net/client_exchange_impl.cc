#include "libs/net/client_exchange_impl.h"

#include <algorithm>
#include <exception>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "libs/net/client_loop_impl.h"
#include "libs/net/client_request_impl.h"

namespace oa::net {
namespace asio = boost::asio;
using std::chrono::steady_clock;
namespace {

constexpr std::size_t kInputBytes = 16 * 1024;
constexpr std::size_t kSmallBody = 8 * 1024;  // goes out with the head
constexpr std::chrono::milliseconds kShortestAttempt{250};
// A longer time than this is as good as none, and cannot overflow.
constexpr std::chrono::hours kLongestTime{24 * 365};

std::string address_text(const asio::ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
  }
  return address.to_string();
}

// What a connection to the URL can be used for again.
std::string pool_key(const Url& url) {
  return url.scheme + "://" + url.host + ":" + std::to_string(url.port);
}

// For error texts: without the query, which may hold secrets.
std::string shown(const ClientRequest& request) {
  const std::string url = to_string(request.url);
  return request.method + " " + url.substr(0, url.find('?'));
}

}  // namespace

ClientExchange::ClientExchange(ClientLoop& loop, ClientPool::ExchangeId id, ClientRequest request,
                               HttpClient::Done done)
    : loop_(loop),
      id_(id),
      request_(std::move(request)),
      done_(std::move(done)),
      host_(pool_key(request_.url)),
      timer_(loop.io()),
      resumed_(loop.io(), SteadyTime::max()),
      due_(steady_clock::now() +
           std::min<std::chrono::milliseconds>(request_.timeout, kLongestTime)) {}

void ClientExchange::start() { arm_timer(); }

void ClientExchange::on_turn(std::shared_ptr<Pooled> kept) {
  has_turn_ = true;
  connection_ = std::static_pointer_cast<ClientConnection>(std::move(kept));
  head_ = request_head(request_);
  if (request_.body.size() <= kSmallBody) head_ += std::exchange(request_.body, {});
  asio::co_spawn(loop_.io(), run(shared_from_this()),
                 [self = shared_from_this()](const std::exception_ptr& failed) {
                   if (failed) self->fail(Code::kInternal, "", "the exchange failed");
                 });
}

ClientExchange::Awaitable<void> ClientExchange::run(std::shared_ptr<ClientExchange> self) {
  if (self->ended_) co_return;  // after its turn was given and before this began
  bool kept = self->connection_ != nullptr;
  for (;;) {
    if (!kept) {
      const bool open = co_await self->open();
      if (!open) co_return;
    }
    self->phase_ = Phase::kTalking;
    self->arm_timer();
    const bool lost = co_await self->talk();
    if (!lost) co_return;
    if (!kept || (self->sent_ && !is_idempotent(self->request_.method))) break;
    kept = false;
    self->connection_->close();
  }
  self->fail(Code::kUnavailable, "ConnectionLost", "the connection ended before an answer came");
}

ClientExchange::Awaitable<bool> ClientExchange::open() {
  phase_ = Phase::kConnecting;
  connect_due_ = steady_clock::now() +
                 std::min<std::chrono::milliseconds>(request_.connect_timeout, kLongestTime);
  attempt_due_ = connect_due_;
  connection_.reset();
  arm_timer();
  ErrorCode failed;
  std::vector<Address> addresses = co_await look_up(failed);
  if (ended_) co_return false;
  if (failed) {
    fail_connecting("NameNotFound", "looking up " + request_.url.host, failed);
    co_return false;
  }
  const auto& may_connect = loop_.options().may_connect;
  if (may_connect) {
    std::erase_if(addresses, [&](const Address& address) {
      bool may = false;
      guarded([&] { may = may_connect(address.text); });
      return !may;
    });
    if (addresses.empty()) {
      fail(Code::kUnauthorized, "AddressRefused",
           "no address of " + request_.url.host + " may be connected to");
      co_return false;
    }
  }
  const bool connected = co_await connect(std::move(addresses));
  if (!connected || request_.url.scheme != "https") co_return connected;
  co_return co_await shake_hands();
}

ClientExchange::Awaitable<std::vector<ClientExchange::Address>> ClientExchange::look_up(
    ErrorCode& failed) {
  using asio::ip::tcp;
  const Url& url = request_.url;
  std::vector<Address> addresses;
  if (url.scheme == "http+unix") {
    addresses.push_back({asio::local::stream_protocol::endpoint(url.host), "unix:" + url.host});
    co_return addresses;
  }
  ErrorCode is_name;
  const auto literal = asio::ip::make_address(url.host, is_name);
  if (!is_name) {
    const auto port = static_cast<unsigned short>(url.port);
    addresses.push_back({tcp::endpoint(literal, port), address_text(literal)});
    co_return addresses;
  }
  tcp::resolver resolver(loop_.io());
  const auto found = co_await resolver.async_resolve(
      url.host, std::to_string(url.port), tcp::resolver::numeric_service,
      asio::redirect_error(asio::use_awaitable, failed));
  for (const auto& entry : found) {
    addresses.push_back({entry.endpoint(), address_text(entry.endpoint().address())});
  }
  co_return addresses;
}

// One address after the other; each gets its share of the time.
ClientExchange::Awaitable<bool> ClientExchange::connect(std::vector<Address> addresses) {
  ErrorCode failed;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    const std::size_t left = addresses.size() - i;
    const SteadyTime now = steady_clock::now();
    attempt_due_ = connect_due_;
    if (left > 1) {
      attempt_due_ =
          now + std::max<steady_clock::duration>(
                    (connect_due_ - now) / static_cast<std::ptrdiff_t>(left), kShortestAttempt);
    }
    arm_timer();
    connection_ = std::make_shared<ClientConnection>(loop_.io());
    co_await connection_->connect(addresses[i].endpoint, failed);
    if (ended_) co_return false;
    attempt_due_ = connect_due_;
    if (!failed) co_return true;
    connection_->close();
  }
  fail_connecting("ConnectFailed", "connecting to " + addresses.back().text, failed);
  co_return false;
}

ClientExchange::Awaitable<bool> ClientExchange::shake_hands() {
  const Result<std::shared_ptr<TlsContext>> tls = loop_.tls();
  if (!tls) {
    fail(Code::kUnavailable, "TlsFailed", tls.error().detail);
    co_return false;
  }
  ErrorCode failed;
  co_await connection_->handshake(**tls, request_.url.host, failed);
  if (ended_) co_return false;
  if (!failed) co_return true;
  const std::string problem = connection_->certificate_problem();
  fail_connecting("TlsFailed",
                  problem.empty()
                      ? "the TLS handshake with " + request_.url.host
                      : "verifying the certificate of " + request_.url.host + " (" + problem + ")",
                  failed);
  co_return false;
}

ClientExchange::Awaitable<bool> ClientExchange::talk() {
  co_await write();
  if (ended_) co_return false;
  ResponseReader reader(
      request_.method == "HEAD" ? ResponseReader::Asked::kHeadOnly : ResponseReader::Asked::kWhole,
      request_.max_body_bytes);
  const std::unique_ptr<char[]> buffer(new char[kInputBytes]);
  std::string held;  // input that the reader could not take yet
  for (;;) {
    ErrorCode failed;
    const std::size_t size =
        co_await connection_->read_some(asio::buffer(buffer.get(), kInputBytes), failed);
    if (ended_) co_return false;
    if (failed) co_return on_input_end(reader, failed);
    answered_ = true;
    std::string_view input(buffer.get(), size);
    if (!held.empty()) input = held.append(input);
    const bool more = co_await take_input(reader, input);
    if (!more) co_return false;
    held = std::string(input);
  }
}

// What one write takes is usually all. The rest is written while the answer is read, because a
// server may answer before it has read everything, and read no more.
ClientExchange::Awaitable<void> ClientExchange::write() {
  const bool sent_before = sent_;
  written_ = 0;
  sent_ = true;
  ErrorCode failed;
  const std::string_view first = unwritten();
  written_ = co_await connection_->write_some(asio::buffer(first.data(), first.size()), failed);
  if (ended_) co_return;
  if (failed) {
    // Under TLS some of what was encrypted may have left. The reader finds out what is wrong.
    if (!connection_->is_tls()) sent_ = sent_before;
  } else if (!unwritten().empty()) {
    ++writers_;
    asio::co_spawn(loop_.io(), write_rest(shared_from_this(), connection_),
                   [self = shared_from_this()](const std::exception_ptr&) { --self->writers_; });
  }
}

ClientExchange::Awaitable<void> ClientExchange::write_rest(
    std::shared_ptr<ClientExchange> self, std::shared_ptr<ClientConnection> connection) {
  ErrorCode failed;
  while (!failed && !self->ended_ && connection == self->connection_ &&
         !self->unwritten().empty()) {
    const std::string_view part = self->unwritten();
    const std::size_t size =
        co_await connection->write_some(asio::buffer(part.data(), part.size()), failed);
    if (connection == self->connection_) self->written_ += size;
  }
}

std::string_view ClientExchange::unwritten() const {
  if (written_ < head_.size()) return std::string_view(head_).substr(written_);
  return std::string_view(request_.body).substr(written_ - head_.size());
}

// Whether the exchange goes on.
ClientExchange::Awaitable<bool> ClientExchange::take_input(ResponseReader& reader,
                                                           std::string_view& input) {
  for (;;) {
    while (paused_ && !ended_) {
      ErrorCode woken;
      co_await resumed_.async_wait(asio::redirect_error(asio::use_awaitable, woken));
    }
    if (ended_ || silent_) co_return false;
    const ResponseReader::Outcome outcome = reader.feed(input);
    if (outcome == ResponseReader::Outcome::kNeedMore) co_return true;
    if (!take(reader, outcome, input)) co_return false;
  }
}

bool ClientExchange::take(ResponseReader& reader, ResponseReader::Outcome outcome,
                          std::string_view rest) {
  using Outcome = ResponseReader::Outcome;
  switch (outcome) {
    case Outcome::kNeedMore:
      return true;
    case Outcome::kHead:
      if (request_.on_head && !guarded([&] { request_.on_head(reader.response()); })) {
        fail(Code::kInternal, "", "on_head failed");
      }
      return !ended_;
    case Outcome::kBody:
      return take_body(reader);
    case Outcome::kRefused:
      fail(reader.refusal().code, reader.refusal().reason.c_str(), reader.refusal().detail);
      return false;
    case Outcome::kComplete:
      break;
  }
  // Bytes after the answer belong to nothing that was asked.
  const bool reusable = reader.keep_alive() && rest.empty() && writers_ == 0 && unwritten().empty();
  Response& response = reader.response();
  end(ClientResponse{response.status, std::move(response.headers), std::move(body_)},
      reusable ? std::move(connection_) : nullptr);
  return false;
}

bool ClientExchange::take_body(ResponseReader& reader) {
  if (!request_.on_body || reader.status() / 100 != 2) {
    body_.append(reader.piece());
    return true;
  }
  bool more = false;
  if (!guarded([&] { more = request_.on_body(reader.piece()); })) {
    fail(Code::kInternal, "", "on_body failed");
  } else if (!more) {
    fail(ClientLoop::cancelled());
  }
  return !ended_;
}

// Whether the connection was lost before a byte of the answer came.
bool ClientExchange::on_input_end(ResponseReader& reader, const ErrorCode& how) {
  if (!answered_) return true;
  // Under TLS this is not the end that anyone on the way can make.
  if (reader.ends_here() && how == asio::error::eof) {
    Response& response = reader.response();
    end(ClientResponse{response.status, std::move(response.headers), std::move(body_)}, nullptr);
  } else {
    fail(Code::kUnavailable, "ConnectionLost",
         "the connection ended before the answer did: " + how.message());
  }
  return false;
}

void ClientExchange::resume() {
  paused_ = false;
  resumed_.cancel();
}

void ClientExchange::arm_timer() {
  timer_.expires_at(phase_ == Phase::kConnecting ? std::min({due_, connect_due_, attempt_due_})
                                                 : due_);
  timer_.async_wait([self = shared_from_this()](const ErrorCode& cancelled) {
    if (!cancelled && !self->ended_) self->on_timer();
  });
}

void ClientExchange::on_timer() {
  const SteadyTime now = steady_clock::now();
  const bool connecting = phase_ == Phase::kConnecting;
  if (now >= due_ || (connecting && now >= connect_due_)) {
    if (phase_ == Phase::kTalking) {
      fail(Code::kTimeout, "ResponseTimeout", "the answer did not come in time");
    } else {
      fail(Code::kTimeout, "ConnectTimeout",
           connecting ? "the connection did not stand in time"
                      : "no connection became free in time");
    }
    return;
  }
  if (connecting && now >= attempt_due_) {
    attempt_due_ = connect_due_;
    connection_->close();
  }
  arm_timer();
}

void ClientExchange::fail(Code code, const char* reason, const std::string& what) {
  fail(make_error(code, reason, shown(request_) + ": " + what));
}

void ClientExchange::fail_connecting(const char* reason, const std::string& what,
                                     const ErrorCode& why) {
  fail(Code::kUnavailable, reason, what + " failed: " + why.message());
}

void ClientExchange::fail(Error error) { end(std::move(error), nullptr); }

void ClientExchange::end(Result<ClientResponse> response,
                         std::shared_ptr<ClientConnection> reusable) {
  if (ended_) return;
  ended_ = true;
  const std::shared_ptr<ClientExchange> self = shared_from_this();
  timer_.cancel();
  resumed_.cancel();
  if (connection_) connection_->close();
  loop_.on_end(*this, std::move(reusable));
  const HttpClient::Done done = std::move(done_);
  guarded([&] { done({std::move(response), sent_}); });
}

// Runs the caller's code; false if it throws.
template <typename Call>
bool ClientExchange::guarded(Call call) {
  const auto& logger = loop_.options().logger;
  try {
    call();
    return true;
  } catch (const std::exception& e) {
    if (logger) logger->error("HTTP client's callback failed", {{"error", e.what()}});
  } catch (...) {
    if (logger) logger->error("HTTP client's callback failed");
  }
  return false;
}

}  // namespace oa::net
