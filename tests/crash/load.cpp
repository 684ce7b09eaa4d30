#include "tests/crash/load.hpp"

#include <boost/json/serialize.hpp>

namespace rowlock::test {

namespace json = boost::json;

void define_load(const server_process& on, const std::filesystem::path& ledger)
{
    const json::object quickly{{"max_attempts", 8}, {"initial_delay_seconds", 0.05}, {"max_delay_seconds", 0.2}};
    const json::object retried{{"retry_policy", quickly}};
    on.define("quick", json::object{{"type", "noop"}}, retried);
    on.define("short", json::object{{"type", "sleep"}, {"seconds", 0.05}}, retried);
    on.define("writes", json::object{{"type", "process"}, {"command", json::array{"/bin/sh", "-c", "echo \"$ROWLOCK_EXECUTION_ID $ROWLOCK_ATTEMPT_NUMBER\" >>" + ledger.string()}}},
              retried);
    on.define("fails", json::object{{"type", "fail"}, {"error_code", "ON_PURPOSE"}, {"times", 2}}, retried);
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

load::load(targets& where, int clients) : where_(where)
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

void load::work(int client)
{
    for (int n = 0; !finishing_.load() && !abandoned_.load(); ++n) {
        const std::string key = "client-" + std::to_string(client) + "-" + std::to_string(n);
        const std::string& job = kinds_of_work[static_cast<std::size_t>(n + client) % kinds_of_work.size()];
        try {
            eventually(key + " is acknowledged", [&] {
                const auto address = where_.next();
                const auto id = address.empty() ? "" : submit_once(address, key, job);
                if (id.empty()) return abandoned_.load();
                const std::lock_guard lock(mutex_);
                acknowledged_[key] = id;
                return true;
            });
        } catch (const std::exception& e) {
            const std::lock_guard lock(mutex_);
            refused_ = e.what();
            return;
        }
    }
}

std::string load::submit_once(const std::string& address, const std::string& key, const std::string& job)
{
    const json::object body{{"job_id", job}, {"correlation_id", key}};
    // Programs take longer than submissions: without the wait they would pile up.
    const std::string target = job == "writes" ? "/v1/executions?wait_seconds=3" : "/v1/executions";
    http_reply reply;
    try {
        reply = http_request(address, "POST", target, json::serialize(body), {{"Idempotency-Key", key}}, std::chrono::seconds(15));
    } catch (const std::runtime_error&) {
        return "";                                   // nobody there, or the connection was lost: the outcome is unknown
    }
    if (reply.status == 200 || reply.status == 201) return text_at(reply.json(), "/run_id");
    if (reply.status == 503) turned_away_.fetch_add(1);
    if (reply.status != 503 || reply.field("Retry-After").empty()) {
        throw std::runtime_error("the submission of " + key + " was answered " + std::to_string(reply.status) + " Retry-After \"" + reply.field("Retry-After") +
                                 "\": " + reply.body);
    }
    return "";
}

}
