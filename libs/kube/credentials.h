// Who we are to the API server, now: a bearer token that may be renewed on disk or by a plugin, a
// client certificate.
//
// Thread-safety: can be used from any thread; a plugin runs once however many threads wait for it.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "core/clock.h"
#include "core/result.h"
#include "libs/kube/config.h"
#include "libs/kube/transport.h"
#include "libs/obs/log.h"

namespace oa::kube {

struct Credential {
  std::string authorization;                       // value of the header; empty: none
  std::shared_ptr<const ClientIdentity> identity;  // null: none
};

class Credentials {
 public:
  virtual ~Credentials() = default;

  // What to send with a request that starts now. UNAUTHENTICATED when nothing can be had.
  virtual Result<Credential> current(std::stop_token stop) = 0;

  // The server answered 401 to a request that carried `used`: get another one the next time. Does
  // nothing if another one has been obtained since.
  virtual void reject(const Credential& used) = 0;
};

// Token files are read again every 60 s and kept while they cannot be read; plugins run again when
// their credential expires. INVALID_REQUEST for certificate files that cannot be read.
Result<std::unique_ptr<Credentials>> make_credentials(const AuthConfig& config,
                                                      const ClusterInfo& cluster,
                                                      const Clock& clock, obs::Logger log);

}  // namespace oa::kube
