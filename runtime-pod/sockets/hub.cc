#include "runtime-pod/sockets/hub.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "libs/net/message.h"

namespace oa::runtime {
namespace {

constexpr std::string_view kTag = "tag:";
constexpr Duration kFirstDelay = std::chrono::milliseconds(100);
constexpr Duration kLongestDelay = std::chrono::seconds(10);

// Not taken for now: by the input gate, or by a full inbox.
bool is_refused(const Error& error) {
  return error.code == Code::kRateLimited || error.code == Code::kUnavailable;
}

SocketFrame error_frame(const Error& error) { return {net::problem_response(error).body, false}; }

}  // namespace

// One connection. What `SocketSession` says is to be done is done here, step by step.
class SocketHub::Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(SocketHub& hub, AgentId id, AgentKey agent, std::string connection, Time opened)
      : hub_(hub),
        world_(hub.world_),
        id_(std::move(id)),
        agent_(agent),
        connection_(connection),
        session_(std::move(connection), opened) {}

  const std::string& connection() const { return connection_; }
  SocketRow row() const {
    const std::lock_guard lock(mutex_);
    return session_.row();
  }
  bool has_tag(std::string_view tag) const {
    const std::lock_guard lock(mutex_);
    const auto& tags = session_.row().tags;
    return std::find(tags.begin(), tags.end(), tag) != tags.end();
  }

  void opened(std::shared_ptr<net::WebSocket> socket);
  void ended(SocketEnd end);
  void send(const SocketFrame& frame);
  void close(int code, const std::string& reason);
  void update(SocketUpdate update);
  // The agent is gone: nobody is told of anything.
  void drop();

 private:
  void received(std::string data, bool binary);
  void advance();
  void perform(const std::shared_ptr<const SocketSession::Message>& message, Duration delay);
  void perform(SocketSession::SaveRow, Duration delay);
  void perform(const SocketEnd& end, Duration delay);
  template <typename Step>
  void perform_later(Step step, Duration delay);
  void done();
  void count_end();  // with mutex_ held

  SocketHub& hub_;
  SocketWorld& world_;
  const AgentId id_;
  const AgentKey agent_;
  const std::string connection_;

  mutable std::mutex mutex_;
  SocketSession session_;  // by mutex_, as all below
  // Null before it is opened, and after its end.
  std::shared_ptr<net::WebSocket> socket_;
  bool is_counted_ = false;  // among the open ones
  bool is_paused_ = false;
  std::vector<SocketFrame> early_;  // sent before it was opened
  std::size_t early_bytes_ = 0;
  std::optional<SocketEnd> closing_;  // it was closed before it was opened, or has ended
};

void SocketHub::Connection::opened(std::shared_ptr<net::WebSocket> socket) {
  {
    const std::lock_guard lock(mutex_);
    is_counted_ = true;
    world_.open.add(1);
    for (SocketFrame& frame : early_) socket->send(std::move(frame.data), frame.binary);
    early_.clear();
    if (closing_) {
      socket->close(static_cast<std::uint16_t>(closing_->code), closing_->reason);
    }
    socket_ = socket;
  }
  socket->on_message([self = shared_from_this()](std::string data, bool binary) {
    self->received(std::move(data), binary);
  });
  socket->on_closed([self = shared_from_this()](std::uint16_t code, std::string reason) {
    self->ended({code, std::move(reason)});
  });
}

void SocketHub::Connection::received(std::string data, bool binary) {
  {
    const std::lock_guard lock(mutex_);
    session_.received({std::move(data), binary});
    if (!is_paused_ && socket_ && session_.is_full()) {
      is_paused_ = true;
      socket_->pause_reading(true);
    }
  }
  advance();
}

void SocketHub::Connection::ended(SocketEnd end) {
  std::shared_ptr<net::WebSocket> socket;  // goes last, and without the lock
  {
    const std::lock_guard lock(mutex_);
    count_end();
    socket.swap(socket_);
    closing_ = end;
    early_.clear();
    session_.ended(std::move(end));
  }
  advance();
}

void SocketHub::Connection::count_end() {
  if (std::exchange(is_counted_, false)) world_.open.add(-1);
}

void SocketHub::Connection::send(const SocketFrame& frame) {
  const std::lock_guard lock(mutex_);
  if (socket_) {
    socket_->send(frame.data, frame.binary);
    return;
  }
  if (closing_) return;
  early_bytes_ += frame.data.size();
  if (early_bytes_ > kMaxEarlyFrameBytes) {
    closing_ = SocketEnd{net::close_code::kPolicy, "too much was sent before it was open"};
    return;
  }
  early_.push_back(frame);
}

void SocketHub::Connection::close(int code, const std::string& reason) {
  const std::lock_guard lock(mutex_);
  if (socket_) {
    socket_->close(static_cast<std::uint16_t>(code), reason);
  } else if (!closing_) {
    closing_ = SocketEnd{code, reason};
  }
}

void SocketHub::Connection::update(SocketUpdate update) {
  {
    const std::lock_guard lock(mutex_);
    session_.update(std::move(update));
  }
  advance();
}

void SocketHub::Connection::drop() {
  std::shared_ptr<net::WebSocket> socket;
  {
    const std::lock_guard lock(mutex_);
    count_end();
    socket.swap(socket_);
    early_.clear();
    session_.drop();
    closing_ = SocketEnd{net::close_code::kGoingAway, "the agent was deleted"};
  }
  if (socket) socket->close(net::close_code::kGoingAway, "the agent was deleted");
}

void SocketHub::Connection::advance() {
  std::optional<SocketSession::Step> step;
  {
    const std::lock_guard lock(mutex_);
    step = session_.next();
    if (is_paused_ && socket_ && session_.is_low()) {
      is_paused_ = false;
      socket_->pause_reading(false);
    }
  }
  if (!step) return;
  if (auto* message = std::get_if<SocketSession::Message>(&*step)) {
    perform(std::make_shared<const SocketSession::Message>(std::move(*message)), kFirstDelay);
  } else if (const auto* end = std::get_if<SocketEnd>(&*step)) {
    perform(*end, kFirstDelay);
  } else {
    perform(SocketSession::SaveRow{}, kFirstDelay);
  }
}

void SocketHub::Connection::done() {
  bool is_over = false;
  {
    const std::lock_guard lock(mutex_);
    session_.done();
    is_over = session_.is_over();
  }
  if (is_over) return hub_.forget(agent_, connection_);
  advance();
}

template <typename Step>
void SocketHub::Connection::perform_later(Step step, Duration delay) {
  world_.scheduler.at(world_.clock.monotonic() + delay,
                      [self = shared_from_this(), step = std::move(step), delay] {
                        self->perform(step, std::min(delay * 2, kLongestDelay));
                      });
}

void SocketHub::Connection::perform(const std::shared_ptr<const SocketSession::Message>& message,
                                    Duration delay) {
  const Time now = world_.clock.now();
  Delivery delivery{
      .agent = id_,
      .trigger = message_trigger(connection_, row(), *message, now, world_.ids.uuid(now)),
      .bytes = message->frame.data.size(),
      .patience = world_.patience};
  const auto is_taken = std::make_shared<std::atomic<bool>>(false);
  delivery.accepted = [is_taken](const std::shared_ptr<Actor>&, Ticket) { *is_taken = true; };
  world_.deliver(std::move(delivery),
                 [self = shared_from_this(), message, delay, is_taken](Result<TickReport> report) {
                   if (report) {
                     if (auto frame = reply_frame(std::move(report->reply))) self->send(*frame);
                   } else if (is_refused(report.error()) && !*is_taken) {
                     return self->perform_later(message, delay);
                   } else {
                     self->send(error_frame(report.error()));
                   }
                   self->done();
                 });
}

void SocketHub::Connection::perform(SocketSession::SaveRow, Duration delay) {
  world_.append(id_, {socket_item(connection_, row())},
                [self = shared_from_this(), delay](Result<Committed> saved) {
                  if (!saved && is_refused(saved.error())) {
                    return self->perform_later(SocketSession::SaveRow{}, delay);
                  }
                  if (!saved && saved.error().code != Code::kNotFound) {
                    self->world_.log.warn("a socket's tags and attachment cannot be stored",
                                          {{"agent", to_string(self->id_)},
                                           {"connection", self->connection_},
                                           {"error", saved.error()}});
                  }
                  self->done();
                });
}

// Tried until it is on disk: until then the row is there, and would tell of it after a restart.
void SocketHub::Connection::perform(const SocketEnd& end, Duration delay) {
  world_.tell(agent_, disconnect_trigger(connection_, row(), end, world_.clock.now()),
              {socket_removal(connection_)},
              [self = shared_from_this(), end, delay](Result<void> told) {
                if (told || told.error().code == Code::kNotFound) return self->done();
                self->perform_later(end, delay);
              });
}

// Goes with the last copy of `Opened`.
struct SocketHub::Invitation {
  const ConnectionPtr connection;
  std::atomic<bool> is_used{false};

  explicit Invitation(ConnectionPtr one) : connection(std::move(one)) {}
  ~Invitation() {
    if (!is_used) connection->ended({});
  }
};

SocketHub::SocketHub(SocketWorld world) : world_(std::move(world)) {}
SocketHub::~SocketHub() = default;

void SocketHub::open(const AgentId& id, AgentKey agent, std::string traceparent,
                     std::function<void(Result<Opened>)> accepted) {
  const Time now = world_.clock.now();
  const auto one = std::make_shared<Connection>(*this, id, agent, world_.ids.uuid(now), now);
  bool has_room = false;
  {
    const std::lock_guard lock(mutex_);
    auto& connections = agents_[agent];
    has_room = connections.size() < kMaxSocketsPerAgent;
    if (has_room) connections.emplace(one->connection(), one);
  }
  if (!has_room) {
    return accepted(make_error(
        Code::kRateLimited, "TooManySockets",
        "an agent must have at most " + std::to_string(kMaxSocketsPerAgent) + " WebSockets"));
  }
  const SocketRow row = one->row();
  Dispatch dispatch{.agent = id,
                    .trigger = connect_trigger(one->connection(), row, now, std::move(traceparent)),
                    .items = {socket_item(one->connection(), row)}};
  world_.dispatch(std::move(dispatch),
                  [this, one, agent, accepted = std::move(accepted)](Result<void> taken) {
                    if (!taken) {
                      forget(agent, one->connection());
                      return accepted(taken.error());
                    }
                    const auto invitation = std::make_shared<Invitation>(one);
                    accepted(Opened([invitation](std::shared_ptr<net::WebSocket> socket) {
                      if (!invitation->is_used.exchange(true)) {
                        invitation->connection->opened(std::move(socket));
                      }
                    }));
                  });
}

void SocketHub::act(AgentKey agent, std::vector<SocketAction> actions) {
  for (SocketAction& action : actions) {
    if (const auto* frame = std::get_if<SocketSend>(&action)) {
      for (const auto& one : find(agent, frame->to)) one->send({frame->data, frame->binary});
    } else if (const auto* end = std::get_if<SocketClose>(&action)) {
      for (const auto& one : find(agent, end->connection)) one->close(end->code, end->reason);
    } else {
      auto& update = std::get<SocketUpdate>(action);
      for (const auto& one : find(agent, update.connection)) one->update(update);
    }
  }
}

void SocketHub::fire(const DueRow& row, std::function<void(bool again)> done) {
  if (!find(row.agent, row.key).empty()) return done(false);
  world_.scheduler.post([this, row, done = std::move(done)] {
    auto item = world_.get_item(row.agent, ItemKind::kSocket, row.key);
    if (!item) return done(true);
    if (!*item) return done(false);
    // What cannot be read any more has ended all the same.
    const auto stored = decode_socket((*item)->value);
    world_.tell(row.agent,
                disconnect_trigger(row.key, stored ? *stored : SocketRow{},
                                   {net::close_code::kAbnormal, "the runtime was restarted"},
                                   world_.clock.now()),
                {socket_removal(row.key)},
                [done](Result<void> told) { done(!told && told.error().code != Code::kNotFound); });
  });
}

void SocketHub::removed(AgentKey agent) {
  std::map<std::string, ConnectionPtr> gone;
  {
    const std::lock_guard lock(mutex_);
    const auto found = agents_.find(agent);
    if (found == agents_.end()) return;
    gone = std::move(found->second);
    agents_.erase(found);
  }
  for (const auto& [id, one] : gone) one->drop();
}

// One connection, or all with a tag.
std::vector<SocketHub::ConnectionPtr> SocketHub::find(AgentKey agent, const std::string& to) const {
  std::vector<ConnectionPtr> all;
  {
    const std::lock_guard lock(mutex_);
    const auto connections = agents_.find(agent);
    if (connections == agents_.end()) return {};
    if (!to.starts_with(kTag)) {
      const auto found = connections->second.find(to);
      if (found != connections->second.end()) all.push_back(found->second);
      return all;
    }
    for (const auto& [id, one] : connections->second) all.push_back(one);
  }
  const std::string_view tag = std::string_view(to).substr(kTag.size());
  std::erase_if(all, [tag](const ConnectionPtr& one) { return !one->has_tag(tag); });
  return all;
}

void SocketHub::forget(AgentKey agent, const std::string& id) {
  ConnectionPtr gone;  // goes without the lock
  const std::lock_guard lock(mutex_);
  const auto connections = agents_.find(agent);
  if (connections == agents_.end()) return;
  const auto found = connections->second.find(id);
  if (found == connections->second.end()) return;
  gone = std::move(found->second);
  connections->second.erase(found);
  if (connections->second.empty()) agents_.erase(connections);
}

}  // namespace oa::runtime
