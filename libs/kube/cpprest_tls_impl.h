// Private to cpprest_transport.cc: what a TLS connection trusts and proves.
//
// Thread-safety: functions without state.
#pragma once

#include <memory>
#include <stdexcept>

#include <openssl/ssl.h>

#include "libs/kube/config.h"
#include "libs/kube/transport.h"

namespace oa::kube {

// TLS material that cannot be used; thrown where cpprestsdk sets up a connection.
struct TlsMaterialError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Throws TlsMaterialError for a CA, certificate or key that cannot be used.
void set_up_tls(SSL_CTX* context, const TlsOptions& tls,
                const std::shared_ptr<const ClientIdentity>& identity);

}  // namespace oa::kube
