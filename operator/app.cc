#include "operator/app.h"

#include <atomic>
#include <condition_variable>
#include <csignal>
#include <list>
#include <malloc.h>
#include <map>
#include <mutex>
#include <signal.h>
#include <thread>
#include <unistd.h>

#include "core/wire.h"
#include "libs/kube/client.h"
#include "libs/kube/config.h"
#include "libs/kube/events.h"
#include "libs/kube/lease.h"
#include "libs/kube/reflector.h"
#include "libs/kube/work_queue.h"
#include "libs/net/health.h"
#include "libs/obs/build_info.h"
#include "libs/obs/metrics.h"
#include "operator/controller.h"
#include "operator/desired/names.h"

namespace oa::op {
namespace {

using namespace std::chrono_literals;

constexpr const char* kLeaseName = "openagents-operator";
constexpr Duration kDrainLimit = 8s;

// Raised within the process when the leadership is lost, so that the waiting main thread ends it.
constexpr int kLeadershipLost = SIGUSR1;

// Opens once; whoever waits goes on.
class Gate {
 public:
  void open() {
    {
      const std::lock_guard lock(mutex_);
      open_ = true;
    }
    changed_.notify_all();
  }
  bool wait(std::stop_token stop) {
    std::unique_lock lock(mutex_);
    return changed_.wait(lock, stop, [this] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool open_ = false;
};

class App {
 public:
  App(const Options& options, const Clock& clock, obs::Logger log)
      : options_(options),
        clock_(clock),
        log_(std::move(log)),
        queue_("agent", {}, clock, metrics_) {}

  int run();

 private:
  Result<void> connect();
  Result<void> start_health();
  void start_caches();
  void watch(const kube::Resource& resource, kube::Store& store, const std::string& selector,
             kube::Reflector::Callback callback);
  void start_election();
  void start_workers();
  void count_agents_on_scrape();
  void stop_all();

  const Options options_;
  const Clock& clock_;
  obs::Logger log_;
  obs::Metrics metrics_;
  Stores stores_;
  kube::WorkQueue queue_;
  std::stop_source stop_;
  Gate leading_;
  std::unique_ptr<kube::Client> client_;
  std::unique_ptr<kube::EventRecorder> events_;
  std::unique_ptr<Controller> controller_;
  std::unique_ptr<kube::LeaderElector> elector_;
  std::list<kube::Reflector> reflectors_;
  std::vector<std::jthread> workers_;
  std::unique_ptr<net::HttpServer> health_;
};

Result<void> App::connect() {
  auto config = kube::load_config(kube::process_environment(), options_.kubeconfig);
  if (!config) return config.error();
  kube::ClientOptions client{
      .user_agent = std::string("openagents-operator/") + obs::kBuildInfo.version,
      .qps = options_.qps,
      .burst = options_.burst,
      .stop = stop_.get_token()};
  auto made = kube::make_client(*config, std::move(client), clock_, metrics_, log_.named("kube"));
  if (!made) return made.error();
  client_ = std::move(*made);
  log_.info("talking to the API server", {{"server", config->cluster.server}});
  return {};
}

void App::watch(const kube::Resource& resource, kube::Store& store, const std::string& selector,
                kube::Reflector::Callback callback) {
  const std::vector<std::string> everywhere{""};
  for (const std::string& ns : options_.namespaces.empty() ? everywhere : options_.namespaces) {
    reflectors_.emplace_back(*client_, resource, kube::Selection{ns, selector, ""}, store, callback,
                             metrics_, log_.named("watch"));
  }
}

void App::start_caches() {
  const auto priority = [](const kube::StoreChange& change) {
    return change.initial ? kube::Priority::kResync : kube::Priority::kUser;
  };
  watch(kube::kAgents, stores_.agents, "", [this, priority](const kube::StoreChange& change) {
    queue_.add(change.key, priority(change));
  });
  // A child's name leads back to its agent, whoever owns it: a foreign object that goes away makes
  // room as well.
  const auto child_changed = [this, priority](const kube::StoreChange& change) {
    const auto agent = agent_of(change.after ? *change.after : *change.before);
    if (agent) queue_.add(*agent, priority(change));
  };
  const std::string ours(wire::kLabelAgent);
  watch(kube::kStatefulSets, stores_.statefulsets, ours, child_changed);
  watch(kube::kServices, stores_.services, ours, child_changed);
  watch(kube::kPersistentVolumeClaims, stores_.claims, ours, child_changed);
  watch(kube::kPods, stores_.pods, ours, child_changed);
  for (kube::Reflector& reflector : reflectors_) reflector.start();
}

void App::start_election() {
  if (!options_.leader_elect) {
    leading_.open();
    return;
  }
  kube::LeaderElector::Callbacks callbacks;
  callbacks.on_started = [this] {
    log_.info("leading");
    leading_.open();
  };
  callbacks.on_lost = [this] {
    log_.error("leadership lost; the process ends so that nothing of it writes any more");
    stop_.request_stop();
    kill(getpid(), kLeadershipLost);
  };
  const kube::LeaseOptions lease{
      .ns = options_.lease_namespace, .name = kLeaseName, .identity = options_.identity};
  elector_ = std::make_unique<kube::LeaderElector>(*client_, lease, std::move(callbacks), metrics_,
                                                   log_.named("lease"));
  elector_->start();
}

void App::start_workers() {
  for (int i = 0; i < options_.workers; ++i) {
    workers_.emplace_back([this](std::stop_token stop) {
      if (!leading_.wait(stop)) return;
      for (const kube::Store* store : {&stores_.agents, &stores_.statefulsets, &stores_.services,
                                       &stores_.claims, &stores_.pods}) {
        if (!store->wait_ready(stop)) return;
      }
      controller_->work(stop);
    });
  }
}

void App::count_agents_on_scrape() {
  metrics_.before_scrape([this] {
    std::map<std::string, int> counts{
        {"Pending", 0}, {"Running", 0}, {"Suspended", 0}, {"Failed", 0}, {"Terminating", 0}};
    for (const kube::Object& agent : stores_.agents.list()) {
      const std::string_view phase = agent.text("/status/phase");
      ++counts[phase.empty() ? "Pending" : std::string(phase)];
    }
    for (const auto& [phase, count] : counts) {
      metrics_.gauge("openagents_agents", "Agents by phase", {{"phase", phase}}).set(count);
    }
  });
}

Result<void> App::start_health() {
  count_agents_on_scrape();
  net::HealthChecks checks;
  checks.live = [this]() -> Result<void> {
    if (!elector_ || elector_->healthy()) return {};
    return make_error(Code::kUnavailable, "LeaseStuck",
                      "the lease was not renewed in time, and must be");
  };
  checks.ready = [this]() -> Result<void> {
    if (stores_.ready()) return {};
    return make_error(Code::kUnavailable, "CachesFilling", "the caches must be filled first");
  };
  auto server = net::start_health_server(options_.listen, std::move(checks), metrics_);
  if (!server) return server.error();
  health_ = std::move(*server);
  log_.info("serving health and metrics", {{"listen", options_.listen}, {"port", health_->port()}});
  return {};
}

void App::stop_all() {
  queue_.shutdown();
  if (!queue_.drain(kDrainLimit)) log_.warn("stopping with reconciles under way");
  for (std::jthread& worker : workers_) worker.request_stop();
  workers_.clear();
  if (events_) events_->stop();
  // The lease is given up last, when nothing of this process writes any more.
  if (elector_) elector_->stop();
  stop_.request_stop();
  reflectors_.clear();
  health_.reset();
}

int App::run() {
  obs::add_process_metrics(metrics_);
  if (auto connected = connect(); !connected) {
    log_.error("cannot reach a cluster", {{"error", connected.error()}});
    return 1;
  }
  events_ = std::make_unique<kube::EventRecorder>(
      *client_, "openagents.com/operator", options_.identity, metrics_, log_.named("events"));
  Platform platform{options_.runtime_image, std::nullopt};
  if (options_.fs_group > 0) platform.fs_group = options_.fs_group;
  controller_ =
      std::make_unique<Controller>(Controller::Parts{*client_, stores_, queue_, *events_, clock_,
                                                     metrics_, log_.named("controller")},
                                   platform);
  if (auto serving = start_health(); !serving) {
    log_.error("cannot serve health and metrics",
               {{"listen", options_.listen}, {"error", serving.error()}});
    return 1;
  }
  events_->start();
  start_caches();
  start_workers();
  start_election();
  sigset_t signals;
  sigemptyset(&signals);
  for (const int wanted : {SIGTERM, SIGINT, kLeadershipLost}) sigaddset(&signals, wanted);
  int signal = 0;
  sigwait(&signals, &signal);
  log_.info("stopping", {{"signal", signal}});
  stop_all();
  return signal == kLeadershipLost ? 1 : 0;
}

}  // namespace

int run_operator(const Options& options, const Clock& clock) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int wanted : {SIGTERM, SIGINT, kLeadershipLost}) sigaddset(&signals, wanted);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);  // a reader of the log that went away must not end the operator
  // A handful of threads that allocate little: one arena serves them, where glibc's default of
  // eight a core would keep megabytes each.
  mallopt(M_ARENA_MAX, 1);
  obs::Logger log("operator", {.level = options.log_level, .format = options.log_format}, clock);
  log.info("starting", {{"version", obs::kBuildInfo.version}, {"commit", obs::kBuildInfo.commit}});
  App app(options, clock, log);
  return app.run();
}

}  // namespace oa::op
