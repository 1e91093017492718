#include "libs/kube/cpprest_exchange_impl.h"

#include <exception>
#include <pplx/threadpool.h>
#include <utility>

#include <cpprest/streams.h>
#include <openssl/err.h>

#include "libs/kube/api_error.h"
#include "libs/kube/cpprest_tls_impl.h"

namespace oa::kube {

namespace {

// Bytes that a stream holds for a reader that is behind, before it stops reading from the
// connection.
constexpr std::size_t kMaxPending = 256 << 10;

Error transport_error(std::string_view why, std::string detail) {
  return make_error(Code::kUnavailable, std::string(why), std::move(detail));
}

// cpprestsdk reports failures by the message of its exceptions, and OpenSSL's by its packed code.
Error from_http_exception(const web::http::http_exception& exception) {
  const auto code = static_cast<unsigned long>(exception.error_code().value());
  if (ERR_GET_LIB(code) > ERR_LIB_SYS) {  // an errno has no library in it
    const char* why = ERR_reason_error_string(code);
    return transport_error(reason::kTlsFailure, why ? "TLS: " + std::string(why) : "TLS failed");
  }
  const std::string_view what = exception.what();
  for (const std::string_view before_the_request :
       {"Failed to connect", "Error resolving", "Failed to resolve", "Error in SSL handshake",
        "Expected a 200 response from proxy"}) {
    if (what.starts_with(before_the_request)) {
      return transport_error(reason::kConnectionRefused, std::string(what));
    }
  }
  return transport_error(reason::kConnectionLost, std::string(what));
}

Error from_exception(const std::exception_ptr& pointer) {
  try {
    std::rethrow_exception(pointer);
  } catch (const web::http::http_exception& e) {
    return from_http_exception(e);
  } catch (const TlsMaterialError& e) {
    return transport_error(reason::kTlsFailure, e.what());
  } catch (const std::exception& e) {
    return transport_error(reason::kConnectionLost, e.what());
  }
}

// What cpprestsdk writes an answer's body to.
class Sink : public concurrency::streams::details::streambuf_state_manager<std::uint8_t> {
 public:
  explicit Sink(std::shared_ptr<Exchange> exchange)
      : streambuf_state_manager(std::ios_base::out), exchange_(std::move(exchange)) {}

  bool can_seek() const override { return false; }
  bool has_size() const override { return false; }
  std::size_t buffer_size(std::ios_base::openmode) const override { return 0; }
  void set_buffer_size(std::size_t, std::ios_base::openmode) override {}
  std::size_t in_avail() const override { return 0; }
  pos_type getpos(std::ios_base::openmode) const override {
    return static_cast<pos_type>(traits::eof());
  }
  pos_type seekpos(pos_type, std::ios_base::openmode) override {
    return static_cast<pos_type>(traits::eof());
  }
  pos_type seekoff(off_type, std::ios_base::seekdir, std::ios_base::openmode) override {
    return static_cast<pos_type>(traits::eof());
  }
  bool acquire(std::uint8_t*& pointer, std::size_t& count) override {
    pointer = nullptr;
    count = 0;
    return false;
  }
  void release(std::uint8_t*, std::size_t) override {}

 protected:
  pplx::task<int_type> _putc(std::uint8_t byte) override {
    return exchange_->on_bytes(reinterpret_cast<const char*>(&byte), 1).then([byte](std::size_t) {
      return static_cast<int_type>(byte);
    });
  }
  pplx::task<std::size_t> _putn(const std::uint8_t* bytes, std::size_t count) override {
    return exchange_->on_bytes(reinterpret_cast<const char*>(bytes), count);
  }
  pplx::task<bool> _sync() override { return pplx::task_from_result(true); }
  std::uint8_t* _alloc(std::size_t) override { return nullptr; }
  void _commit(std::size_t) override {}

  // Nothing is read from here.
  pplx::task<int_type> _bumpc() override { return end(); }
  int_type _sbumpc() override { return traits::eof(); }
  pplx::task<int_type> _getc() override { return end(); }
  int_type _sgetc() override { return traits::eof(); }
  pplx::task<int_type> _nextc() override { return end(); }
  pplx::task<int_type> _ungetc() override { return end(); }
  pplx::task<std::size_t> _getn(std::uint8_t*, std::size_t) override {
    return pplx::task_from_result<std::size_t>(0);
  }
  std::size_t _scopy(std::uint8_t*, std::size_t) override { return 0; }

 private:
  static pplx::task<int_type> end() { return pplx::task_from_result<int_type>(traits::eof()); }

  const std::shared_ptr<Exchange> exchange_;
};

web::http::http_request message_for(const HttpRequest& request, const std::string& host_name,
                                    const std::shared_ptr<Exchange>& exchange) {
  web::http::http_request message(request.method);
  message.set_request_uri(web::uri(target(request)));
  for (const auto& [name, value] : request.headers) message.headers().add(name, value);
  if (!host_name.empty()) message.headers().add("Host", host_name);
  if (!request.body.empty()) {
    message.set_body(request.body, std::string(header(request.headers, "Content-Type")));
  }
  const concurrency::streams::streambuf<std::uint8_t> sink(std::make_shared<Sink>(exchange));
  message.set_response_stream(concurrency::streams::ostream(sink));
  return message;
}

}  // namespace

boost::asio::io_service& cpprest_loop() {
  static const bool initialized = [] {
    crossplat::threadpool::initialize_with_threads(1);
    return true;
  }();
  (void)initialized;
  return crossplat::threadpool::shared_instance().service();
}

// ---- InFlight
// -------------------------------------------------------------------------------------

void InFlight::begin(const std::shared_ptr<Exchange>& exchange) {
  std::lock_guard lock(mutex_);
  exchanges_.emplace(exchange.get(), exchange);
}

void InFlight::end(const Exchange* exchange) {
  std::lock_guard lock(mutex_);
  exchanges_.erase(exchange);
  changed_.notify_all();
}

std::vector<std::shared_ptr<Exchange>> InFlight::all() {
  std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Exchange>> alive;
  for (const auto& [key, exchange] : exchanges_) alive.push_back(exchange.lock());
  std::erase(alive, nullptr);
  return alive;
}

void InFlight::wait_none(Duration limit) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, limit, [this] { return exchanges_.empty(); });
}

// ---- Exchange
// -------------------------------------------------------------------------------------

Result<void> Exchange::wait_head(Duration limit) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, limit, [this] { return status_ != 0 || finished_ || cancelled_; });
  if (cancelled_) return cancelled();
  if (status_ != 0) return {};
  if (error_) return *error_;
  return make_error(Code::kTimeout, std::string(reason::kIdleTimeout), "no answer in time");
}

Result<std::string> Exchange::read(Duration limit) {
  std::unique_lock lock(mutex_);
  const bool in_time = changed_.wait_for(
      lock, limit, [this] { return !pending_.empty() || finished_ || cancelled_; });
  if (cancelled_) return cancelled();
  if (!pending_.empty()) {
    resume();
    return std::exchange(pending_, {});
  }
  if (error_) return *error_;
  if (in_time) return std::string();
  return make_error(Code::kTimeout, std::string(reason::kIdleTimeout), "nothing came in time");
}

int Exchange::status() const {
  std::lock_guard lock(mutex_);
  return status_;
}

void Exchange::cancel() {
  std::lock_guard lock(mutex_);
  if (finished_ || cancelled_) return;
  cancelled_ = true;
  changed_.notify_all();
  resume();
  cpprest_loop().post([self = shared_from_this()] { self->cancellation_.cancel(); });
}

bool Exchange::is_cancelled() const {
  std::lock_guard lock(mutex_);
  return cancelled_;
}

void Exchange::on_head(const web::http::http_response& response) {
  std::lock_guard lock(mutex_);
  for (const auto& [name, value] : response.headers()) headers_.emplace_back(name, value);
  status_ = response.status_code();
  changed_.notify_all();
}

pplx::task<std::size_t> Exchange::on_bytes(const char* bytes, std::size_t count) {
  std::lock_guard lock(mutex_);
  if (cancelled_) return pplx::task_from_result(count);
  pending_.append(bytes, count);
  changed_.notify_all();
  if (pending_.size() < kMaxPending) return pplx::task_from_result(count);
  room_.emplace();
  room_for_ = count;
  return pplx::create_task(*room_);
}

void Exchange::on_end(std::optional<Error> error) {
  {
    std::lock_guard lock(mutex_);
    finished_ = true;
    error_ = std::move(error);
    changed_.notify_all();
  }
  in_flight_->end(this);
}

void Exchange::resume() {
  if (!room_) return;
  cpprest_loop().post([room = *room_, count = room_for_] { room.set(count); });
  room_.reset();
}

void begin_exchange(web::http::client::http_client& client, const HttpRequest& request,
                    const std::string& host_name, const std::shared_ptr<Exchange>& exchange) {
  using Answer = pplx::task<web::http::http_response>;
  const auto fail = [exchange] { exchange->on_end(from_exception(std::current_exception())); };
  const auto on_body = [exchange, fail](const Answer& whole) {
    try {
      whole.get();
      exchange->on_end(std::nullopt);
    } catch (...) {
      fail();
    }
  };
  const auto on_head = [exchange, fail, on_body](const Answer& head) {
    try {
      const web::http::http_response response = head.get();
      exchange->on_head(response);
      response.content_ready().then(on_body);
    } catch (...) {
      fail();
    }
  };
  try {
    client.request(message_for(request, host_name, exchange), exchange->token()).then(on_head);
  } catch (...) {
    fail();
  }
}

}  // namespace oa::kube
