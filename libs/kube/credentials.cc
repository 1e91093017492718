#include "libs/kube/credentials.h"

#include <mutex>
#include <utility>

#include "libs/crypto/encoding.h"
#include "libs/kube/exec_plugin.h"
#include "libs/kube/material.h"

namespace oa::kube {
namespace {

constexpr auto kReread = std::chrono::seconds(60);
constexpr auto kExpiryLeeway = std::chrono::seconds(10);

// "" when the file cannot be read.
std::string contents(const std::string& path) {
  Result<std::string> text = read_file(path);
  return text ? std::move(*text) : std::string();
}

std::string trimmed(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

// Tokens and certificates as they stand in the configuration or in files. Files are read again when
// what was read is 60 s old; a file that cannot be read then leaves the old contents in use.
class FileCredentials : public Credentials {
 public:
  FileCredentials(AuthConfig config, const Clock& clock, obs::Logger log)
      : config_(std::move(config)), clock_(clock), log_(std::move(log)) {}

  Result<Credential> current(std::stop_token) override {
    std::lock_guard lock(mutex_);
    if (!read_at_ || clock_.monotonic() - *read_at_ >= kReread) refresh();
    if (!config_.token_file.empty() && current_.authorization.empty()) {
      return make_error(Code::kUnauthenticated,
                        config_.token_file + " must hold a token and be readable");
    }
    return current_;
  }

  void reject(const Credential& used) override {
    std::lock_guard lock(mutex_);
    if (used.authorization != current_.authorization) return;
    // Without this, an unreadable file would keep a token in use that the server refuses.
    if (!config_.token_file.empty()) current_.authorization.clear();
    read_at_.reset();
  }

  Result<void> check() {
    std::lock_guard lock(mutex_);
    refresh();
    const bool certificate =
        !config_.client_certificate_file.empty() || !config_.client_key_file.empty();
    if (certificate && !current_.identity) {
      return make_error(Code::kInvalidRequest, config_.client_certificate_file + " and " +
                                                   config_.client_key_file +
                                                   " must be readable files");
    }
    return {};
  }

 private:
  void refresh() {
    read_at_ = clock_.monotonic();
    if (!config_.token_file.empty()) {
      const std::string token = trimmed(contents(config_.token_file));
      if (!token.empty()) {
        current_.authorization = "Bearer " + token;
      } else {
        log_.warn("the token file cannot be read", {{"file", config_.token_file}});
      }
    } else if (!config_.token.empty()) {
      current_.authorization = "Bearer " + config_.token;
    } else if (!config_.username.empty()) {
      current_.authorization =
          "Basic " + crypto::base64_encode(config_.username + ":" + config_.password);
    }
    ClientIdentity identity{config_.client_certificate_data, config_.client_key_data};
    if (identity.certificate.empty() && !config_.client_certificate_file.empty()) {
      identity.certificate = contents(config_.client_certificate_file);
    }
    if (identity.key.empty() && !config_.client_key_file.empty())
      identity.key = contents(config_.client_key_file);
    const bool changed = !current_.identity || *current_.identity != identity;
    if (!identity.certificate.empty() && !identity.key.empty() && changed) {
      current_.identity = std::make_shared<const ClientIdentity>(std::move(identity));
    }
  }

  const AuthConfig config_;
  const Clock& clock_;
  const obs::Logger log_;
  std::mutex mutex_;
  Credential current_;
  std::optional<Monotonic> read_at_;  // nullopt: read before the next use
};

// What a plugin prints, until it expires. The lock is held while the plugin runs, so that it runs
// once for all.
class ExecCredentials : public Credentials {
 public:
  ExecCredentials(ExecConfig config, const ClusterInfo& cluster, const Clock& clock)
      : config_(std::move(config)), info_(exec_info(config_, cluster)), clock_(clock) {}

  Result<Credential> current(std::stop_token stop) override {
    std::lock_guard lock(mutex_);
    if (current_ && (!expires_ || clock_.now() + kExpiryLeeway < *expires_)) return *current_;
    const Result<std::string> output = run_plugin(config_, info_, stop);
    if (!output) return output.error();
    Result<ExecCredential> fresh = parse_exec_credential(*output, config_.api_version);
    if (!fresh) return fresh.error();
    Credential credential;
    if (!fresh->token.empty()) credential.authorization = "Bearer " + fresh->token;
    if (fresh->identity)
      credential.identity = std::make_shared<const ClientIdentity>(*fresh->identity);
    current_ = credential;
    expires_ = fresh->expires;
    return credential;
  }

  void reject(const Credential& used) override {
    std::lock_guard lock(mutex_);
    if (current_ && current_->authorization == used.authorization &&
        current_->identity == used.identity) {
      current_.reset();
    }
  }

 private:
  const ExecConfig config_;
  const std::string info_;
  const Clock& clock_;
  std::mutex mutex_;
  std::optional<Credential> current_;
  std::optional<Time> expires_;
};

}  // namespace

Result<std::unique_ptr<Credentials>> make_credentials(const AuthConfig& config,
                                                      const ClusterInfo& cluster,
                                                      const Clock& clock, obs::Logger log) {
  const bool fixed =
      !config.token.empty() || !config.token_file.empty() || !config.username.empty();
  if (config.exec && !fixed) {
    return std::unique_ptr<Credentials>(
        std::make_unique<ExecCredentials>(*config.exec, cluster, clock));
  }
  auto credentials = std::make_unique<FileCredentials>(config, clock, std::move(log));
  if (Result<void> checked = credentials->check(); !checked) return checked.error();
  return std::unique_ptr<Credentials>(std::move(credentials));
}

}  // namespace oa::kube
