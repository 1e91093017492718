#include "runtime-pod/runtime.h"

#include <atomic>
#include <fstream>
#include <future>
#include <sstream>
#include <utility>

#include "core/json.h"
#include "core/text.h"
#include "core/wire.h"
#include "libs/net/health.h"
#include "libs/net/http_client.h"
#include "libs/net/http_server.h"
#include "libs/obs/metrics.h"
#include "runtime-pod/agent/actor.h"
#include "runtime-pod/agent/feed.h"
#include "runtime-pod/agent/gates.h"
#include "runtime-pod/agent/host.h"
#include "runtime-pod/agent/outbox.h"
#include "runtime-pod/agent/outbox_http.h"
#include "runtime-pod/agent/scheduler.h"
#include "runtime-pod/alarms/timekeeper.h"
#include "runtime-pod/alarms/wall_timer.h"
#include "runtime-pod/audit/chain.h"
#include "runtime-pod/audit/signing_key.h"
#include "runtime-pod/disk_watch.h"
#include "runtime-pod/grpc/server.h"
#include "runtime-pod/handlers/context_api.h"
#include "runtime-pod/handlers/notebook.h"
#include "runtime-pod/handlers/remote.h"
#include "runtime-pod/http/api.h"
#include "runtime-pod/ids.h"
#include "runtime-pod/metrics.h"
#include "runtime-pod/secrets.h"
#include "runtime-pod/sockets/hub.h"
#include "runtime-pod/storage/store.h"
#include "runtime-pod/verbs/approvals.h"
#include "runtime-pod/verbs/jobs.h"
#include "runtime-pod/verbs/stream.h"

namespace oa::runtime {
namespace {

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  if (!file || !(text << file.rdbuf())) {
    return make_error(Code::kInvalidRequest, "cannot read the file " + path);
  }
  return text.str();
}

Error in_file(const std::string& path, Error error) {
  error.detail = path + ": " + error.detail;
  return error;
}

Result<Agent> read_manifest(const std::string& path) {
  const auto text = read_file(path);
  if (!text) return text.error();
  const auto manifest = parse_yaml(*text);
  if (!manifest) return in_file(path, manifest.error());
  auto agent = parse_agent(*manifest);
  if (!agent) return in_file(path, agent.error());
  return agent;
}

Hash seal(const Hash& previous, std::string_view agent, const LogRecord& record) {
  return next_hash(previous, {.agent = agent,
                              .sequence = record.number,
                              .kind = static_cast<std::int64_t>(record.kind),
                              .tick = record.tick,
                              .time = record.time,
                              .record = record.text});
}

// The records that a commit left in the log.
std::vector<LogRecord> records_of(const AgentHead& head, const AgentCommit& commit) {
  std::vector<LogRecord> records;
  if (!commit.record.empty()) {
    records.push_back({.id = head.log,
                       .kind = LogKind::kTick,
                       .tick = commit.tick,
                       .number = head.number,
                       .time = commit.time,
                       .text = commit.record,
                       .hash = head.hash});
  }
  if (!commit.events.empty()) {
    records.push_back({.id = head.event,
                       .kind = LogKind::kEvent,
                       .tick = commit.tick,
                       .time = commit.time,
                       .text = commit.events});
  }
  return records;
}

// `name`: "NAME/KEY". The first of them signs; a second one may be there while receivers change.
Result<std::string> first_secret(const std::string& directory, const std::string& name) {
  const std::size_t slash = name.find('/');
  if (slash == std::string::npos) {
    return make_error(Code::kInternal, "Corrupt", "a secret must be named NAME/KEY: " + name);
  }
  auto values = read_secret(directory, {name.substr(0, slash), name.substr(slash + 1)});
  if (!values) return values.error();
  return values->front();
}

// A pod's agent: of the spec file, or of a spec of defaults where there is none.
Result<Agent> pod_agent(const Config& config) {
  Json spec = Json::object();
  if (!config.spec_file.empty()) {
    if (const auto text = read_file(config.spec_file); text && !text->empty()) {
      auto parsed = parse_json(*text);
      if (!parsed) return in_file(config.spec_file, parsed.error());
      spec = std::move(*parsed);
    }
  }
  // A newer operator may write fields that this program does not know.
  auto read = parse_spec(spec, schema::Unknown::kIgnore);
  if (!read) return in_file(config.spec_file, read.error());
  return Agent{config.agent, {}, {}, std::move(*read), std::move(spec)};
}

}  // namespace

struct Runtime::Parts {
  Parts(const Config& runtime_config, const Clock& runtime_clock, const obs::Logger& runtime_log);
  ~Parts();

  Result<void> open_store(const Pause& pause);
  Result<void> build();
  Result<void> make_handlers();
  Handler& handler_of(const AgentSpec& spec);
  Outputs make_outputs();
  Result<void> build_outbox();
  void build_sockets();
  void fire(const DueRow& row, Timekeeper::Done done);
  Result<void> apply_agents();
  Result<void> apply(const Agent& agent);
  Result<void> serve();
  Result<void> serve_grpc();
  void drain();

  const Config config;
  const Clock& clock;
  const obs::Logger log;
  Duration drain_timeout;
  std::string uid;  // of a pod's agent

  obs::Metrics registry;
  RuntimeMetrics metrics{registry};
  Ids ids;
  NotebookHandler notebook;
  std::atomic<bool> storage_closed{false};
  InputGate gate;
  DiskWatch disk;
  Watchers watchers;

  // In the order of construction; `~Parts` says why they end in another one.
  std::unique_ptr<Scheduler> scheduler;
  std::unique_ptr<WallTimer> wall_timer;
  std::unique_ptr<Timekeeper> timekeeper;
  std::unique_ptr<RemoteHandler> container_handler;
  std::unique_ptr<RemoteHandler> http_handler;
  std::unique_ptr<Store> store;
  std::shared_ptr<const crypto::Ed25519PrivateKey> signing_key;
  std::unique_ptr<ActorServices> actor_services;
  std::unique_ptr<SocketHub> sockets;
  std::unique_ptr<Host> host;
  std::unique_ptr<net::HttpClient> outbox_client;
  std::unique_ptr<HttpSender> sender;
  std::shared_ptr<Outbox> outbox;
  std::unique_ptr<Services> services;
  std::unique_ptr<Api> api;
  std::unique_ptr<net::HttpServer> health;
  std::unique_ptr<net::HttpServer> server;
  std::unique_ptr<GrpcServer> grpc;  // null: not served
};

Runtime::Parts::Parts(const Config& runtime_config, const Clock& runtime_clock,
                      const obs::Logger& runtime_log)
    : config(runtime_config),
      clock(runtime_clock),
      log(runtime_log),
      drain_timeout(runtime_config.drain_timeout),
      gate(runtime_config.queue_bytes, [this] { disk.look(); }),
      disk(runtime_config.data_dir, runtime_clock, [this](Result<void> verdict) {
        if (verdict) {
          gate.open(InputGate::Reason::kStorageFull);
        } else {
          gate.close(InputGate::Reason::kStorageFull, verdict.error());
        }
      }) {
  obs::add_process_metrics(registry);
  gate.close(InputGate::Reason::kStarting,
             make_error(Code::kUnavailable, "Starting", "the runtime is starting"));
}

// First nothing calls in any more, then what runs is waited for, then what it used goes. The actors
// that the store may still know are the last to need `actor_services`.
Runtime::Parts::~Parts() {
  grpc.reset();
  server.reset();
  health.reset();
  if (timekeeper) timekeeper->stop();
  if (container_handler) container_handler->close();
  if (http_handler) http_handler->close();
  if (outbox) outbox->stop();
  outbox_client.reset();
  if (store) store->close();
  scheduler.reset();
  api.reset();
  host.reset();
  store.reset();
}

Result<void> Runtime::Parts::open_store(const Pause& pause) {
  WriterHooks hooks{
      .closed =
          [this](const Error& why) {
            storage_closed = true;
            gate.close(InputGate::Reason::kStorageClosed, why);
          },
      .full = [this](const Error& why) { disk.full(why); },
      .committed =
          [this](std::size_t changes, Duration took) {
            metrics.commit(changes, took);
            disk.look();
          },
      .due =
          [this](std::span<const DueRow> rows) {
            if (timekeeper) timekeeper->added(rows);
          },
      .log_full =
          [this](Result<void> verdict) {
            if (verdict) {
              gate.open(InputGate::Reason::kLogFull);
            } else {
              gate.close(InputGate::Reason::kLogFull, verdict.error());
            }
          },
  };
  StoreOptions options{.directory = config.data_dir,
                       .allow_network_file_system = config.allow_network_file_system,
                       .lock_wait = config.lock_wait,
                       .seal = seal};
  if (config.mode == Mode::kPod) options.only = config.agent;
  auto opened = Store::open(std::move(options), std::move(hooks), clock, pause, log.named("store"));
  if (!opened) return opened.error();
  store = std::move(*opened);
  auto key = load_signing_key(config.data_dir);
  if (!key) return key.error();
  signing_key = std::make_shared<const crypto::Ed25519PrivateKey>(std::move(*key));
  disk.look();
  log.info("database opened", {{"directory", config.data_dir}, {"epoch", store->epoch()}});
  return {};
}

void Runtime::Parts::fire(const DueRow& row, Timekeeper::Done done) {
  if (row.kind == ItemKind::kOutbox) return outbox->wake(row, done);
  if (row.kind == ItemKind::kSocket) return sockets->fire(row, std::move(done));
  if (row.kind == ItemKind::kJob) return expire_job(*services, row, done);
  if (row.kind == ItemKind::kApproval) return expire_approval(*services, row, done);
  host->fire(row, std::move(done));
}

Result<void> Runtime::Parts::build_outbox() {
  auto started = net::HttpClient::start({.logger = log.named("outbox")});
  if (!started) return started.error();
  outbox_client = std::move(*started);
  sender = std::make_unique<HttpSender>(*outbox_client);
  outbox = Outbox::make(
      {.clock = clock,
       .scheduler = *scheduler,
       .commits = store->commits(),
       .sender = *sender,
       .get_item =
           [this](AgentKey agent, ItemKind kind, const std::string& key) {
             return store->reader().get_item(agent, kind, key);
           },
       .list_rows =
           [this](AgentKey agent, const std::string& after, int limit) {
             return store->reader().list_items(agent, ItemKind::kOutbox, "", after, limit,
                                               Values::kInclude);
           },
       .deliver =
           [this](const AgentId& to, Trigger message, std::function<void(Result<void>)> done) {
             const std::size_t bytes = message.envelope.payload.data.size();
             host->dispatch({.agent = to, .trigger = std::move(message), .bytes = bytes},
                            std::move(done));
           },
       .give_event =
           [this](AgentKey agent, Trigger trigger, AgentCommit commit, OnCommit done) {
             host->tell(agent, std::move(trigger), std::move(commit.items),
                        [done = std::move(done)](Result<void> taken) {
                          done(taken ? Result<Committed>(Committed{}) : taken.error());
                        });
           },
       .secret = [this](const std::string& name) { return first_secret(config.secrets_dir, name); },
       .jitter = [this] { return ids.unit(); },
       .log = log.named("outbox"),
       .epoch = store->epoch()});
  return {};
}

void Runtime::Parts::build_sockets() {
  sockets = std::make_unique<SocketHub>(SocketWorld{
      .clock = clock,
      .scheduler = *scheduler,
      .ids = ids,
      .open = metrics.sockets,
      .log = log.named("sockets"),
      .deliver = [this](Delivery one,
                        Answered answered) { host->deliver(std::move(one), std::move(answered)); },
      .dispatch =
          [this](Dispatch one, std::function<void(Result<void>)> taken) {
            host->dispatch(std::move(one), std::move(taken));
          },
      .tell =
          [this](AgentKey agent, Trigger trigger, std::vector<ItemWrite> items,
                 std::function<void(Result<void>)> taken) {
            host->tell(agent, std::move(trigger), std::move(items), std::move(taken));
          },
      .append =
          [this](const AgentId& agent, std::vector<ItemWrite> items,
                 std::function<void(Result<Committed>)> done) {
            host->append(agent, std::move(items), std::move(done));
          },
      .get_item =
          [this](AgentKey agent, ItemKind kind, const std::string& key) {
            return store->reader().get_item(agent, kind, key);
          },
      .patience = config.run_timeout});
}

Outputs Runtime::Parts::make_outputs() {
  Outputs outputs;
  outputs.outbox = [this](AgentKey agent, const AgentId&, const std::string& key,
                          const OutboxRow& row) { outbox->added(agent, key, row); };
  outputs.watch = [this](AgentKey agent, const std::string& key, const std::string& effect,
                         std::function<void(const EffectOutcome&)> watcher) {
    outbox->watch(agent, key, effect, std::move(watcher));
  };
  outputs.emit = [this](AgentKey agent, std::int64_t after, std::string_view event, Json data) {
    if (!watchers.any(agent)) return;
    watchers.publish(agent, {{after, 0}, std::string(event), dump(data), true});
  };
  outputs.committed = [this](AgentKey agent, const AgentHead& head, const AgentCommit& commit) {
    if (!watchers.any(agent)) return;
    for (const StreamEvent& event : events_of(records_of(head, commit))) {
      watchers.publish(agent, event);
    }
  };
  outputs.removed = [this](AgentKey agent) {
    const Json data = {{"time", format_time_millis(clock.now())}};
    watchers.publish(agent, {{}, std::string(kAgentDeleted), dump(data), true});
    sockets->removed(agent);
  };
  outputs.hibernate = [this](const AgentId& id) {
    scheduler->post([this, id] { host->release(id); });
  };
  outputs.sockets = [this](AgentKey agent, std::vector<SocketAction> actions) {
    sockets->act(agent, std::move(actions));
  };
  return outputs;
}

Result<void> Runtime::Parts::make_handlers() {
  const auto context_api =
      std::make_shared<ContextApi>(config.context_listen, clock, log.named("context"));
  const auto make = [&](std::string_view name, std::unique_ptr<RemoteHandler>& made) {
    net::HttpClient::Options options = handler_client_options();
    options.logger = log.named("handlers");
    auto client = net::HttpClient::start(std::move(options));
    if (!client) return Result<void>(client.error());
    made =
        std::make_unique<RemoteHandler>(name, std::move(*client), context_api, clock, *scheduler);
    return Result<void>();
  };
  if (auto done = make("container", container_handler); !done) return done;
  return make("http", http_handler);
}

Handler& Runtime::Parts::handler_of(const AgentSpec& spec) {
  if (std::holds_alternative<ContainerHandler>(spec.handler)) return *container_handler;
  if (std::holds_alternative<HttpHandler>(spec.handler)) return *http_handler;
  return notebook;
}

Result<void> Runtime::Parts::build() {
  scheduler = make_thread_scheduler(config.workers, clock);
  if (auto done = make_handlers(); !done) return done;
  auto timer = SystemWallTimer::open();
  if (!timer) return timer.error();
  wall_timer = std::move(*timer);
  timekeeper = std::make_unique<Timekeeper>(
      WindowLimits{}, clock, *wall_timer,
      [this](const std::optional<DueRow>& after, std::size_t limit) {
        return store->reader().due_rows(Due::Class::kWork, after, Time::max(),
                                        static_cast<int>(limit));
      },
      [this](const DueRow& row, Timekeeper::Done done) { fire(row, std::move(done)); },
      [this](const DueRow& row, Duration lateness) {
        if (row.kind != ItemKind::kAlarm && row.kind != ItemKind::kSchedule) return;
        metrics.alarm_lateness.observe(static_cast<double>(lateness.count()) / 1e6);
      },
      log.named("alarms"));
  const auto handler = [this](const AgentSpec& spec) -> Handler& { return handler_of(spec); };
  actor_services = std::unique_ptr<ActorServices>(
      new ActorServices{clock, *scheduler, store->commits(), store->reader(), handler, metrics, ids,
                        log.named("agent"), store->epoch(), make_outputs()});
  host = std::make_unique<Host>(
      HostOptions{.max_awake_bytes = static_cast<std::int64_t>(config.awake_bytes)},
      *actor_services, gate, store->reader());
  if (auto done = build_outbox(); !done) return done;
  build_sockets();
  const auto live = [this]() -> Result<void> {
    if (!storage_closed) return {};
    return gate.check();
  };
  services = std::unique_ptr<Services>(
      new Services{clock, *host, store->reader(), *scheduler, gate, ids, metrics, watchers, handler,
                   live, [this] { return gate.check(); }, config.run_timeout, store->epoch(),
                   config.secrets_dir, signing_key, sockets.get()});
  services->data_dir = config.data_dir;
  ApiOptions options{.mode = config.mode, .allowed_hosts = config.allowed_hosts};
  if (config.mode == Mode::kPod) options.agent = config.agent;
  api = std::make_unique<Api>(std::move(options), *services);
  registry.before_scrape([this] {
    const StoreSizes sizes = store->sizes();
    metrics.database_bytes.set(static_cast<double>(sizes.database_bytes));
    metrics.log_bytes.set(static_cast<double>(sizes.log_bytes));
  });
  return {};
}

Result<void> Runtime::Parts::apply(const Agent& agent) {
  std::promise<Result<PutResult>> promise;
  auto future = promise.get_future();
  host->put(agent, PutMode::kApply, config.uid,
            [&promise](Result<PutResult> result) { promise.set_value(std::move(result)); });
  auto result = future.get();
  if (!result) return result.error();
  if (config.mode == Mode::kPod) uid = result->row.uid;
  log.info("agent applied", {{"namespace", agent.id.namespace_name},
                             {"agent", agent.id.name},
                             {"created", result->created}});
  return {};
}

Result<void> Runtime::Parts::apply_agents() {
  if (config.mode == Mode::kPod) {
    auto agent = pod_agent(config);
    if (!agent) return agent.error();
    drain_timeout = agent->spec.drain_timeout;
    return apply(*agent);
  }
  for (const std::string& path : config.agents) {
    auto agent = read_manifest(path);
    if (!agent) return agent.error();
    if (auto done = apply(*agent); !done) return done;
  }
  return {};
}

Result<void> Runtime::Parts::serve() {
  net::HttpServer::Options options;
  options.listen = config.listen;
  options.threads = config.io_threads;
  options.limits.body_bytes = config.body_bytes;
  options.limits.connections = config.connections;
  options.extra_headers.add(std::string(wire::kHeaderEpoch), std::to_string(store->epoch()));
  if (!uid.empty()) options.extra_headers.add(std::string(wire::kHeaderUid), uid);
  gate.open(InputGate::Reason::kStarting);
  timekeeper->start();
  auto started = net::HttpServer::start(std::move(options),
                                        [this](net::Request request, net::Respond respond) {
                                          api->handle(std::move(request), std::move(respond));
                                        });
  if (!started) return started.error();
  server = std::move(*started);
  log.info("serving", {{"listen", config.listen}, {"port", server->port()}});
  return {};
}

Result<void> Runtime::Parts::serve_grpc() {
  if (config.grpc_listen.empty()) return {};
  GrpcOptions options{.listen = config.grpc_listen,
                      .body_bytes = config.body_bytes,
                      .ready = services->ready,
                      .later = [this](Duration span, std::function<void()> work) {
                        scheduler->at(clock.monotonic() + span, std::move(work));
                      }};
  if (config.mode == Mode::kPod) options.agent = config.agent;
  auto started =
      GrpcServer::start(std::move(options), [this](net::Request request, net::Respond respond) {
        api->handle(std::move(request), std::move(respond));
      });
  if (!started) return started.error();
  grpc = std::move(*started);
  log.info("serving gRPC", {{"listen", config.grpc_listen}, {"port", grpc->port()}});
  return {};
}

void Runtime::Parts::drain() {
  const Error why = make_error(Code::kUnavailable, "Draining", "the runtime is stopping");
  gate.close(InputGate::Reason::kDraining, why);
  log.info("draining", {{"timeoutMs", drain_timeout.count() / 1000}});
  timekeeper->stop();
  outbox->stop();
  const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(drain_timeout);
  auto calls = std::async(std::launch::async, [&] { return !grpc || grpc->drain(limit); });
  const bool requests = server->drain(limit);
  const bool all = calls.get() && requests;
  if (!all) log.warn("requests were cut off at the end of the drain timeout");
  host->discard(why);
  store->close();
  log.info("stopped");
}

Runtime::Runtime(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Runtime::~Runtime() = default;

Result<std::unique_ptr<Runtime>> Runtime::start(const Config& config, const Clock& clock,
                                                const obs::Logger& log, const Pause& pause) {
  auto parts = std::make_unique<Parts>(config, clock, log);
  if (auto done = parts->open_store(pause); !done) return done.error();
  if (auto done = parts->build(); !done) return done.error();
  auto health = net::start_health_server(
      config.admin_listen, {parts->services->live, parts->services->ready}, parts->registry);
  if (!health) return health.error();
  parts->health = std::move(*health);
  if (auto done = parts->apply_agents(); !done) return done.error();
  if (auto done = parts->serve(); !done) return done.error();
  if (auto done = parts->serve_grpc(); !done) return done.error();
  return std::unique_ptr<Runtime>(new Runtime(std::move(parts)));
}

void Runtime::drain() { parts_->drain(); }

int Runtime::port() const { return parts_->server->port(); }

int exit_code(const Error& error) {
  if (error.reason == "DataDirectoryLocked" || error.reason == "DatabaseTooNew") return 3;
  if (error.reason == "WrongAgent") return 4;
  return error.code == Code::kInvalidRequest ? 2 : 1;
}

}  // namespace oa::runtime
