// Private to cpprest_transport.cc: one request and its answer, between the thread that waits for it
// and cpprestsdk.
//
// Thread-safety: as said with each function.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>  // which Boost 1.74 forgets to include
#include <vector>

#include <boost/asio/io_service.hpp>
#include <cpprest/http_client.h>

#include "libs/kube/transport.h"

namespace oa::kube {

// The loop of cpprestsdk's only thread. Every call into cpprestsdk's client is made there, so that
// nothing in cpprestsdk ever runs twice at once.
boost::asio::io_service& cpprest_loop();

class Exchange;

// The exchanges that cpprestsdk still works on. Can be used from any thread.
class InFlight {
 public:
  void begin(const std::shared_ptr<Exchange>& exchange);
  void end(const Exchange* exchange);
  std::vector<std::shared_ptr<Exchange>> all();
  void wait_none(Duration limit);

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<const Exchange*, std::weak_ptr<Exchange>> exchanges_;
};

// Shared by the thread that waits and the loop; whoever is last frees it.
class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  explicit Exchange(std::shared_ptr<InFlight> in_flight) : in_flight_(std::move(in_flight)) {}

  // ---- For the thread that waits ----

  // Until the head is here. TIMEOUT reason IdleTimeout, UNAVAILABLE.
  Result<void> wait_head(Duration limit);
  // The next bytes; "" at the end. Errors as those of wait_head.
  Result<std::string> read(Duration limit);
  int status() const;
  const Headers& headers() const { return headers_; }  // does not change once the head is here

  // ---- From any thread ----

  // Returns at once; the connection is closed soon after unless the answer is complete.
  void cancel();
  bool is_cancelled() const;

  // ---- For the loop ----

  pplx::cancellation_token token() const { return cancellation_.get_token(); }
  void on_head(const web::http::http_response& response);
  // The task is complete when there is room for more.
  pplx::task<std::size_t> on_bytes(const char* bytes, std::size_t count);
  void on_end(std::optional<Error> error);

 private:
  void resume();  // lets cpprestsdk read on

  const std::shared_ptr<InFlight> in_flight_;
  pplx::cancellation_token_source cancellation_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int status_ = 0;  // 0: no head yet
  Headers headers_;
  std::string pending_;  // bytes that came and were not read
  // Set while cpprestsdk waits for room, with the count of bytes that it waits with.
  std::optional<pplx::task_completion_event<std::size_t>> room_;
  std::size_t room_for_ = 0;
  bool finished_ = false;  // by the server or an error
  bool cancelled_ = false;
  std::optional<Error> error_;
};

// Sends the request; the answer, or why there is none, goes to `exchange`. To be called on the
// loop. `host_name` replaces the host of the URL in the Host header, and with it the name that the
// certificate must be for; empty: it does not.
void begin_exchange(web::http::client::http_client& client, const HttpRequest& request,
                    const std::string& host_name, const std::shared_ptr<Exchange>& exchange);

}  // namespace oa::kube
