#include "bench/load/http_connection.hpp"
#include "bench/load/latencies.hpp"
#include "bench/load/run_all.hpp"
#include "bench/load/scenarios.hpp"
#include "storage/model/time.hpp"

#include <deque>
#include <fmt/format.h>

namespace rowlock::bench {

namespace asio = boost::asio;
using std::chrono::steady_clock;

namespace {

constexpr std::chrono::seconds longest_answer{60};
constexpr std::chrono::seconds longest_pause{20};
constexpr std::chrono::milliseconds between_looks{50};
constexpr std::chrono::hours later{24};                  // more than any measurement takes

struct caller {
    caller(asio::io_context& context, const asio::ip::tcp::endpoint& server) : connection(context, server) {}

    http_connection connection;
    latencies seen{};
    std::size_t accepted = 0;
    std::size_t refused = 0;
};

runtime::awaitable<void> submit_until(caller& c, const std::string& request, steady_clock::time_point end)
{
    for (auto now = steady_clock::now(); now < end;) {
        const reply answer = co_await c.connection.exchange(request);
        const auto then = std::exchange(now, steady_clock::now());
        if (answer.status == 201) {
            ++c.accepted;
            c.seen.add(now - then);
        } else {
            ++c.refused;
        }
    }
}

// What a submission says beside its job and parameters.
std::string rest_of_submission(const load_options& options)
{
    return options.stored ? fmt::format(R"(, "scheduled_time": "{}")", to_rfc3339(wall_clock() + later)) : "";
}

outcome run_closed_loop(server& at, outcome made, const std::string& request, std::size_t connections, std::size_t jobs_a_request, const load_options& options)
{
    at.define("load-noop", R"({"type": "noop"})");
    asio::io_context context(1);
    std::deque<caller> callers;
    run_all all(context);
    for (std::size_t i = 0; i < connections; ++i) all.add(callers.emplace_back(context, at.endpoint(i)).connection.connect());
    all.run(longest_answer);

    const double ended_before = at.ended();
    const snapshot before = at.look();
    for (caller& each : callers) all.add(submit_until(each, request, before.at + options.length));
    all.run(options.length + longest_answer, options.tell_from(before.at));
    const auto submitted = steady_clock::now();

    latencies seen;
    std::size_t accepted = 0;
    std::size_t refused = 0;
    for (const caller& each : callers) {
        seen.add(each.seen);
        accepted += each.accepted;
        refused += each.refused;
    }
    const auto jobs = static_cast<double>(accepted * jobs_a_request);
    if (!options.stored) at.wait_until_ended(ended_before + jobs, longest_pause, between_looks);
    const snapshot after = at.look();

    const auto per_second = [&](steady_clock::time_point end) { return jobs / std::chrono::duration<double>(end - before.at).count(); };
    made.add("jobs", jobs);
    made.add("accepted/s", per_second(submitted));
    if (!options.stored) made.add("ended/s", per_second(after.at));
    made.add("p50 ms", seen.percentile_ms(0.50));
    made.add("p99 ms", seen.percentile_ms(0.99));
    add_usage(made, before, after, jobs);
    made.add("server MB", at.rss_mb());
    if (refused > 0) made.add("refused", static_cast<double>(refused));
    return made;
}

}

outcome run_submit(server& at, const load_options& options)
{
    outcome made{"submit", fmt::format("{} connections, {} s", options.connections, options.length.count())};
    const std::string body = fmt::format(R"({{"job_id": "load-noop", "parameters": {{"n": 1}}{}}})", rest_of_submission(options));
    return run_closed_loop(at, std::move(made), at.request("POST", "/v1/executions", body), options.connections, 1, options);
}

outcome run_batch(server& at, const load_options& options)
{
    outcome made{"batch", fmt::format("{} connections, {} a batch, {} s", options.batch_connections, options.batch, options.length.count())};
    std::string body = R"({"executions": [)";
    const std::string rest = rest_of_submission(options);
    for (std::size_t i = 0; i < options.batch; ++i) body += fmt::format(R"({}{{"job_id": "load-noop", "parameters": {{"n": {}}}{}}})", i > 0 ? ", " : "", i, rest);
    body += "]}";
    return run_closed_loop(at, std::move(made), at.request("POST", "/v1/executions/batch", body), options.batch_connections, options.batch, options);
}

}
