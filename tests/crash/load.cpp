#include "tests/crash/load.hpp"

#include <boost/json/serialize.hpp>
#include <optional>

namespace rowlock::test {

namespace json = boost::json;

namespace {

// Saves its own id as a checkpoint. The first attempt then fails; a later one says what it was handed.
constexpr const char* saving = R"sh(
from=$(cat "$ROWLOCK_CHECKPOINT_FILE" 2>/dev/null)
echo "{\"checkpoint\": \"$(printf %s "$ROWLOCK_EXECUTION_ID" | base64 -w0)\"}" >&3
[ "$ROWLOCK_ATTEMPT_NUMBER" -gt 1 ] || exit 1
echo "{\"output\": {\"from\": \"$from\"}}" >&3
)sh";

}

void define_load(const server_process& on, const std::filesystem::path& ledger, const std::string& url)
{
    const json::object quickly{{"max_attempts", 8}, {"initial_delay_seconds", 0.05}, {"max_delay_seconds", 0.2}};
    const json::object retried{{"retry_policy", quickly}};
    on.define("quick", json::object{{"type", "noop"}}, retried);
    // Within limits of all kinds, so that whatever dies holds slots of them.
    on.define("short", json::object{{"type", "sleep"}, {"seconds", 0.05}},
              {{"retry_policy", quickly}, {"concurrency", {{"max_running", 12}}}, {"resources", {{"resource_pool", "shared"}, {"memory_mb", 10}}}, {"pool_concurrency_limit", 16},
               {"global_max_concurrent", 100}, {"rate_limit", {{"starts", 10'000}, {"per_seconds", 1}}}});
    on.define("writes", json::object{{"type", "process"}, {"command", json::array{"/bin/sh", "-c", "echo \"$ROWLOCK_EXECUTION_ID $ROWLOCK_ATTEMPT_NUMBER\" >>" + ledger.string()}}},
              retried);
    on.define("fails", json::object{{"type", "fail"}, {"error_code", "ON_PURPOSE"}, {"times", 2}}, retried);
    on.define("saves", json::object{{"type", "process"}, {"command", json::array{"/bin/sh", "-c", saving}}}, retried);
    // Half open, it lets more through than comes in, so that a queue behind it drains.
    const json::object breaker{{"failure_threshold", 3}, {"window_seconds", 10}, {"open_seconds", 0.2}, {"half_open_max", 100}};
    on.define("breaks", json::object{{"type", "fail"}, {"error_code", "ON_PURPOSE"}, {"times", 1}}, {{"retry_policy", quickly}, {"circuit_breaker", breaker}});
    if (!url.empty()) on.define("calls", json::object{{"type", "http"}, {"url", url}, {"method", "POST"}}, retried);
}

void targets::set(const std::string& name, const std::string& address)
{
    const std::lock_guard lock(mutex_);
    addresses_[name] = address;
}

void targets::remove(const std::string& name)
{
    const std::lock_guard lock(mutex_);
    addresses_.erase(name);
}

std::string targets::next()
{
    const std::lock_guard lock(mutex_);
    if (addresses_.empty()) return "";
    return std::next(addresses_.begin(), static_cast<std::ptrdiff_t>(turn_++ % addresses_.size()))->second;
}

struct load::line {
    std::string address;
    std::optional<http_connection> connection;

    http_reply ask(bool keep, const std::string& where, const std::string& request, std::chrono::milliseconds within)
    {
        try {
            if (!connection || address != where) {
                connection.emplace(where);
                address = where;
            }
            connection->send(request);
            auto reply = connection->receive(false, within);
            if (!keep || reply.field("Connection") == "close") connection.reset();
            return reply;
        } catch (...) {
            connection.reset();
            throw;
        }
    }
};

load::load(targets& where, int clients, load_style style) : where_(where), style_(std::move(style))
{
    for (int i = 0; i < clients; ++i) clients_.emplace_back([this, i] { work(i); });
}

load::~load()
{
    abandoned_.store(true);
    for (auto& each : clients_) {
        if (each.joinable()) each.join();
    }
}

void load::finish()
{
    finishing_.store(true);
    for (auto& each : clients_) each.join();
    const std::lock_guard lock(mutex_);
    if (!refused_.empty()) throw std::runtime_error(refused_);
}

std::map<std::string, std::string> load::acknowledged() const
{
    const std::lock_guard lock(mutex_);
    return acknowledged_;
}

std::size_t load::count() const
{
    const std::lock_guard lock(mutex_);
    return acknowledged_.size();
}

std::vector<std::string> load::failures() const
{
    const std::lock_guard lock(mutex_);
    return failures_;
}

void load::note_failure(std::string what)
{
    const std::lock_guard lock(mutex_);
    // The first of them tell the story.
    if (failures_.size() < 100) failures_.push_back(std::move(what));
}

void load::work(int client)
{
    line to;
    for (int n = 0; !finishing_.load() && !abandoned_.load(); ++n) {
        const std::string key = style_.name + "-" + std::to_string(client) + "-" + std::to_string(n);
        const std::string& job = style_.kinds[static_cast<std::size_t>(n + client) % style_.kinds.size()];
        try {
            eventually(key + " is acknowledged", [&] {
                const auto address = where_.next();
                const auto id = address.empty() ? "" : submit_once(to, address, key, job);
                if (id.empty()) return abandoned_.load();
                const std::lock_guard lock(mutex_);
                acknowledged_[key] = id;
                return true;
            });
            outlast(style_.pace);
        } catch (const std::exception& e) {
            const std::lock_guard lock(mutex_);
            refused_ = e.what();
            return;
        }
    }
}

std::string load::submit_once(line& to, const std::string& address, const std::string& key, const std::string& job)
{
    const json::object body{{"job_id", job}, {"correlation_id", key}};
    // Programs take longer than submissions: without the wait they would pile up.
    const std::string target = job == "writes" ? "/v1/executions?wait_seconds=3" : "/v1/executions";
    http_reply reply;
    try {
        reply = to.ask(style_.keep_alive, address, request_text("POST", target, json::serialize(body), {{"Idempotency-Key", key}}), std::chrono::seconds(15));
    } catch (const std::runtime_error& e) {
        note_failure(key + ": " + e.what());
        return "";                                   // nobody there, or the connection was lost: the outcome is unknown
    }
    if (reply.status == 200 || reply.status == 201) return text_at(reply.json(), "/run_id");
    note_failure(key + ": " + std::to_string(reply.status) + " " + reply.body.substr(0, 200));
    if (reply.status == 503) turned_away_.fetch_add(1);
    const bool by_balancer = style_.balanced && reply.field("Content-Type") != "application/problem+json";
    if (by_balancer && (reply.status == 502 || reply.status == 503 || reply.status == 504)) return "";
    if (reply.status != 503 || reply.field("Retry-After").empty()) {
        throw std::runtime_error("the submission of " + key + " was answered " + std::to_string(reply.status) + " Retry-After \"" + reply.field("Retry-After") +
                                 "\": " + reply.body);
    }
    return "";
}

}
