#include "runtime-pod/config.h"

#include <algorithm>
#include <charconv>

#include "core/text.h"
#include "core/wire.h"

namespace oa::runtime {
namespace {

using Kind = Option::Kind;

constexpr bool kYes = true;
constexpr bool kNo = false;

std::vector<Option> make_options() {
  return {
      {"listen", Kind::kText, "127.0.0.1:8080", ":8080", kYes, kYes,
       "where HTTP is served: host:port, :port or unix:PATH"},
      {"admin-listen", Kind::kText, "127.0.0.1:9464", ":9464", kYes, kYes,
       "where /metrics, /healthz and /readyz are served"},
      {"grpc-listen", Kind::kText, "", ":9090", kYes, kYes,
       "where gRPC is served: host:port, :port or unix:PATH; empty: it is not"},
      {"context-listen", Kind::kText, "127.0.0.1:0", "127.0.0.1:8079", kYes, kYes,
       "where handlers in other processes call back during a tick; port 0 is any"},
      {"data-dir", Kind::kText, "~/.local/share/openagents", wire::kDataDirectory, kYes, kYes,
       "the directory of the database; $XDG_DATA_HOME/openagents where that is set"},
      {"secrets-dir", Kind::kText, "", wire::kSecretsDirectory, kYes, kYes,
       "the directory of secrets, each in the file <name>/<key>; empty: secrets in the data "
       "directory"},
      {"agent", Kind::kList, "", "", kYes, kNo, "a manifest to apply at start; may be repeated"},
      {"allow-host", Kind::kList, "", "", kYes, kNo,
       "a Host or Origin to accept beside addresses and localhost; may be repeated"},
      {"namespace", Kind::kText, "", "", kNo, kYes, "the agent's namespace"},
      {"name", Kind::kText, "", "", kNo, kYes, "the agent's name"},
      {"uid", Kind::kText, "", "", kNo, kYes, "the agent's uid"},
      {"spec-file", Kind::kText, "", "", kNo, kYes,
       "a file with the agent's spec as JSON; missing: a spec of defaults"},
      {"run-timeout", Kind::kDuration, "60s", "60s", kYes, kYes,
       "how long a request waits for its answer; at least the agent's maxTickDuration"},
      {"drain-timeout", Kind::kDuration, "30s", "", kYes, kNo,
       "how long accepted requests may be finished after SIGTERM"},
      {"lock-wait", Kind::kDuration, "0s", "30s", kYes, kYes,
       "how long a data directory that another process has locked is awaited"},
      {"allow-network-file-system", Kind::kSwitch, "false", "false", kYes, kYes,
       "take a data directory on NFS, SMB and the like, at the risk of the data"},
      {"queue-bytes", Kind::kBytes, "64Mi", "64Mi", kYes, kYes,
       "bytes of requests that may wait in all; 429 above"},
      {"body-bytes", Kind::kBytes, "8Mi", "8Mi", kYes, kYes, "the largest request body; 413 above"},
      {"awake-bytes", Kind::kBytes, "64Mi", "64Mi", kYes, kYes,
       "memory for awake agents; those used least go back to the disk"},
      {"connections", Kind::kCount, "1024", "1024", kYes, kYes, "open connections; 503 above"},
      {"io-threads", Kind::kCount, "1", "1", kYes, kYes, "threads for sockets"},
      {"workers", Kind::kCount, "2", "2", kYes, kYes, "threads for handlers and reads"},
      {"log-level", Kind::kLevel, "info", "info", kYes, kYes, "debug, info, warn or error"},
      {"log-format", Kind::kFormat, "json", "json", kYes, kYes, "json, or text for people"},
  };
}

// A value with the place where it was given, for messages.
struct Value {
  std::string place;
  std::vector<std::string> texts;
  const std::string& text() const { return texts.back(); }
};

Error bad_value(const Value& value, std::string must) {
  return invalid_fields({{value.place, "\"" + shorten(value.text(), 64) + "\"", std::move(must)}});
}

std::vector<std::string> split_commas(const std::string& text) {
  std::vector<std::string> parts;
  std::size_t from = 0;
  while (from < text.size()) {
    const std::size_t comma = std::min(text.find(',', from), text.size());
    if (comma > from) parts.push_back(text.substr(from, comma - from));
    from = comma + 1;
  }
  return parts;
}

std::string plain(const Json& json) {
  return json.is_string() ? json.get<std::string>() : dump(json);
}

std::string expanded_default(const Option& option, Mode mode, const Environment& environment) {
  std::string text(default_value(option, mode));
  if (!text.starts_with("~/")) return text;
  if (const auto xdg = environment("XDG_DATA_HOME"); xdg && !xdg->empty()) {
    return *xdg + "/openagents";
  }
  return environment("HOME").value_or(".") + text.substr(1);
}

class Reader {
 public:
  Reader(Mode mode, const Given& given) : mode_(mode), given_(given) {}

  const Value value(std::string_view name) const {
    const Option& option = *std::find_if(options().begin(), options().end(),
                                         [&](const Option& o) { return o.name == name; });
    if (const auto flag = given_.flags.find(name);
        flag != given_.flags.end() && !flag->second.empty()) {
      return {"--" + std::string(name), flag->second};
    }
    const std::string variable = environment_name(option);
    if (const auto text = given_.environment(variable); text && !text->empty()) {
      return {variable, option.kind == Kind::kList ? split_commas(*text) : std::vector{*text}};
    }
    const std::string key = file_key(option);
    if (const auto found = given_.file.find(key); found != given_.file.end()) {
      std::vector<std::string> texts;
      if (found->is_array()) {
        for (const Json& item : *found) texts.push_back(plain(item));
      } else {
        texts.push_back(plain(*found));
      }
      if (!texts.empty()) return {key, texts};
    }
    if (option.kind == Kind::kList) return {"--" + std::string(name), {}};
    return {"--" + std::string(name), {expanded_default(option, mode_, given_.environment)}};
  }

  std::string text(std::string_view name) const { return value(name).text(); }

  void read(std::string_view name, Duration& into) {
    const Value given = value(name);
    const auto parsed = parse_duration(given.text());
    if (!parsed) return add(bad_value(given, "be a duration such as 30s, 5m or 800ms"));
    into = *parsed;
  }

  void read_bytes(std::string_view name, std::size_t& into) {
    const Value given = value(name);
    const auto parsed = parse_quantity(given.text());
    if (!parsed || *parsed < 1) return add(bad_value(given, "be a size such as 64Mi"));
    into = static_cast<std::size_t>(*parsed);
  }

  template <typename Count>
  void read_count(std::string_view name, Count least, Count most, Count& into) {
    const Value given = value(name);
    const std::string& text = given.text();
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
    if (error == std::errc() && end == text.data() + text.size() && into >= least && into <= most) {
      return;
    }
    add(bad_value(given,
                  "be a number between " + std::to_string(least) + " and " + std::to_string(most)));
  }

  void read(std::string_view name, bool& into) {
    const Value given = value(name);
    into = given.text() == "true";
    if (!into && given.text() != "false") add(bad_value(given, "be true or false"));
  }

  void read_log(Config& config) {
    const Value level = value("log-level");
    if (const auto parsed = obs::parse_level(level.text())) {
      config.log_level = *parsed;
    } else {
      add(bad_value(level, "be debug, info, warn or error"));
    }
    const Value format = value("log-format");
    if (const auto parsed = obs::parse_log_format(format.text())) {
      config.log_format = *parsed;
    } else {
      add(bad_value(format, "be json or text"));
    }
  }

  void read_agent(Config& config) {
    auto id = make_agent_id(text("namespace"), text("name"));
    if (!id) {
      add(make_error(Code::kInvalidRequest,
                     "AGENT_NAMESPACE and AGENT_NAME must name the agent: " + id.error().detail));
      return;
    }
    config.agent = std::move(*id);
  }

  void refuse_unknown_keys() {
    if (!given_.file.is_object()) {
      return add(make_error(Code::kInvalidRequest, "the config file must be a map of options"));
    }
    for (const auto& [key, unused] : given_.file.items()) {
      const bool known = std::any_of(options().begin(), options().end(),
                                     [&](const Option& option) { return file_key(option) == key; });
      if (!known) add(invalid_fields({{key, "", "not be set: there is no such option"}}));
    }
  }

  void add(const Error& error) {
    if (error_) {
      error_->detail += "; " + error.detail;
    } else {
      error_ = error;
    }
  }
  const std::optional<Error>& error() const { return error_; }

 private:
  const Mode mode_;
  const Given& given_;
  std::optional<Error> error_;
};

std::string replace_dashes(std::string_view name, bool camel) {
  std::string out;
  bool after_dash = false;
  for (const char c : name) {
    if (c == '-') {
      if (!camel) out += '_';
      after_dash = true;
      continue;
    }
    const bool upper = !camel || after_dash;
    out += upper && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    after_dash = false;
  }
  return out;
}

}  // namespace

const std::vector<Option>& options() {
  static const std::vector<Option> all = make_options();
  return all;
}

std::string environment_name(const Option& option) {
  return "AGENT_" + replace_dashes(option.name, false);
}

std::string file_key(const Option& option) { return replace_dashes(option.name, true); }

std::string_view default_value(const Option& option, Mode mode) {
  return mode == Mode::kDaemon ? option.daemon_default : option.pod_default;
}

Result<Config> make_config(Mode mode, const Given& given) {
  Reader reader(mode, given);
  reader.refuse_unknown_keys();
  if (reader.error()) return *reader.error();
  Config config;
  config.mode = mode;
  config.listen = reader.text("listen");
  config.admin_listen = reader.text("admin-listen");
  config.grpc_listen = reader.text("grpc-listen");
  config.context_listen = reader.text("context-listen");
  config.data_dir = reader.text("data-dir");
  config.secrets_dir = reader.text("secrets-dir");
  if (config.secrets_dir.empty()) config.secrets_dir = config.data_dir + "/secrets";
  reader.read("allow-network-file-system", config.allow_network_file_system);
  reader.read("lock-wait", config.lock_wait);
  reader.read("run-timeout", config.run_timeout);
  reader.read_bytes("queue-bytes", config.queue_bytes);
  reader.read_bytes("body-bytes", config.body_bytes);
  reader.read_bytes("awake-bytes", config.awake_bytes);
  reader.read_count<std::size_t>("connections", 1, 1'000'000, config.connections);
  reader.read_count("io-threads", 1, 256, config.io_threads);
  reader.read_count("workers", 1, 256, config.workers);
  reader.read_log(config);
  if (mode == Mode::kDaemon) {
    reader.read("drain-timeout", config.drain_timeout);
    config.agents = reader.value("agent").texts;
    config.allowed_hosts = reader.value("allow-host").texts;
  } else {
    reader.read_agent(config);
    config.uid = reader.text("uid");
    config.spec_file = reader.text("spec-file");
  }
  if (reader.error()) return *reader.error();
  return config;
}

}  // namespace oa::runtime
