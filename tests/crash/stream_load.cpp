#include "tests/crash/stream_load.hpp"

#include "tests/support/eventually.hpp"
#include "tests/support/websocket_client.hpp"

#include <boost/json.hpp>
#include <memory>
#include <stdexcept>

namespace rowlock::test {

namespace json = boost::json;
using std::chrono::steady_clock;

namespace {

constexpr std::size_t pipelined = 4;
constexpr auto answer_limit = std::chrono::seconds(15);

// A server that refuses what it should not: not to be tried again.
class refused : public std::logic_error {
public:
    using std::logic_error::logic_error;
};

}

// What one client has under way, by the id of its frame, which is also the key.
struct stream_load::client {
    struct submission {
        std::string job;
        steady_clock::time_point begun = steady_clock::now();
    };

    std::unique_ptr<websocket_client> socket;
    std::map<std::string, submission> open;

    void send(const std::string& key)
    {
        const json::object execution{{"job_id", open.at(key).job}, {"correlation_id", key}, {"idempotency_key", key}};
        socket->send(json::object{{"op", "submit"}, {"id", key}, {"executions", json::array{execution}}});
    }

    void connect(const std::string& address)
    {
        socket = std::make_unique<websocket_client>(address);
        if (text_at(socket->receive(answer_limit), "/op") != "welcome") throw std::runtime_error("no welcome");
        for (const auto& [key, each] : open) send(key);
    }

    void begin(const std::string& key, const std::string& job)
    {
        open[key] = {job};
        send(key);
    }

    // The key and the run of what has been acknowledged; "" where nothing has.
    std::pair<std::string, std::string> receive()
    {
        const auto frame = socket->try_receive(answer_limit);
        if (!frame) {
            socket.reset();
            return {};
        }
        const auto key = text_at(*frame, "/id");
        if (text_at(*frame, "/op") == "accepted") {
            open.erase(key);
            return {key, text_at(*frame, "/executions/0/run_id")};
        }
        const auto problem = json::serialize(*frame);
        if (frame->at_pointer("/problem/status").to_number<int>() != 503) throw refused("the submission of " + key + " was answered " + problem);
        send(key);
        return {};
    }
};

stream_load::stream_load(targets& where, int clients, load_style style) : where_(where), style_(std::move(style))
{
    for (int i = 0; i < clients; ++i) clients_.emplace_back([this, i] { work(i); });
}

stream_load::~stream_load()
{
    abandoned_.store(true);
    for (auto& each : clients_) {
        if (each.joinable()) each.join();
    }
}

void stream_load::finish()
{
    finishing_.store(true);
    for (auto& each : clients_) each.join();
    const std::lock_guard lock(mutex_);
    if (!refused_.empty()) throw std::runtime_error(refused_);
}

std::map<std::string, std::string> stream_load::acknowledged() const
{
    const std::lock_guard lock(mutex_);
    return acknowledged_;
}

std::size_t stream_load::count() const
{
    const std::lock_guard lock(mutex_);
    return acknowledged_.size();
}

void stream_load::note(const std::string& key, const std::string& run)
{
    const std::lock_guard lock(mutex_);
    acknowledged_[key] = run;
}

void stream_load::work(int number)
{
    client mine;
    int n = 0;
    const auto turn = [&] {
        if (!mine.socket) {
            const auto address = where_.next();
            if (address.empty()) return;
            mine.connect(address);
        }
        for (; !finishing_.load() && mine.open.size() < pipelined; ++n) {
            outlast(style_.pace);
            mine.begin(style_.name + "-" + std::to_string(number) + "-" + std::to_string(n), style_.kinds[static_cast<std::size_t>(n + number) % style_.kinds.size()]);
        }
        if (mine.open.empty()) return;
        if (const auto [key, run] = mine.receive(); !key.empty()) note(key, run);
    };
    try {
        while (!abandoned_.load() && !(finishing_.load() && mine.open.empty())) {
            try {
                turn();
            } catch (const std::runtime_error&) {
                mine.socket.reset();                 // nobody there, or the connection was lost
                outlast(std::chrono::milliseconds(20));
            }
            for (const auto& [key, each] : mine.open) {
                if (steady_clock::now() - each.begun > patience) throw refused("this has not come true in time: " + key + " is acknowledged");
            }
        }
    } catch (const refused& e) {
        const std::lock_guard lock(mutex_);
        refused_ = e.what();
    }
}

}
