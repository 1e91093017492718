// Starts HTTP clients for tests, and waits for what they answer.
//
// Thread-safety: an Asked belongs to one thread; the rest can be used from any.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "libs/net/http_client.h"

namespace oa::net {

inline std::unique_ptr<HttpClient> start_client(HttpClient::Options options = {}) {
  Result<std::unique_ptr<HttpClient>> client = HttpClient::start(std::move(options));
  if (!client) {
    ADD_FAILURE() << to_string(client.error());
    std::abort();
  }
  return *std::move(client);
}

inline ClientRequest request_to(const std::string& url, const std::string& method = "GET") {
  ClientRequest request;
  request.method = method;
  request.url = *parse_url(url);
  return request;
}

inline std::string local_url(int port, const std::string& target = "/") {
  return "http://127.0.0.1:" + std::to_string(port) + target;
}

// An exchange on its way.
struct Asked {
  ClientHandle handle;
  std::future<ClientResult> result;

  bool is_done() const {
    return result.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  }
  ClientResult get() {
    if (result.wait_for(std::chrono::seconds(20)) != std::future_status::ready) {
      ADD_FAILURE() << "done was not called";
      std::abort();
    }
    return result.get();
  }
  // The response of an exchange that must succeed.
  ClientResponse response() {
    ClientResult got = get();
    if (got.response) return *std::move(got.response);
    ADD_FAILURE() << to_string(got.response.error());
    return {};
  }
  // "UNAVAILABLE ConnectionLost sent" of one that must fail.
  std::string failure() {
    const ClientResult got = get();
    if (got.response) return "status " + std::to_string(got.response->status);
    const Error& error = got.response.error();
    return std::string(code_name(error.code)) + " " + error.reason +
           (got.sent ? " sent" : " unsent");
  }
};

inline Asked ask(HttpClient& client, ClientRequest request) {
  const auto promise = std::make_shared<std::promise<ClientResult>>();
  const auto calls = std::make_shared<std::atomic<int>>(0);
  Asked asked;
  asked.result = promise->get_future();
  asked.handle = client.send(std::move(request), [promise, calls](ClientResult result) {
    if (++*calls > 1) std::abort();  // exactly once
    promise->set_value(std::move(result));
  });
  return asked;
}

inline Asked get(HttpClient& client, int port, const std::string& target = "/") {
  return ask(client, request_to(local_url(port, target)));
}

}  // namespace oa::net
