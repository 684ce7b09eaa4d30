#include "bench/load/http_connection.hpp"
#include "bench/load/latencies.hpp"
#include "bench/load/run_all.hpp"
#include "bench/load/scenarios.hpp"
#include "storage/model/ids.hpp"
#include "storage/model/json_text.hpp"
#include "storage/model/time.hpp"

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <deque>
#include <fmt/format.h>
#include <unordered_map>

namespace rowlock::bench {

namespace asio = boost::asio;
namespace json = boost::json;
using std::chrono::steady_clock;

namespace {

constexpr std::chrono::seconds longest_answer{60};
constexpr std::chrono::seconds longest_pause{20};
constexpr std::chrono::milliseconds between_looks{50};
constexpr std::string_view id_member = "\"execution_id\":\"";
constexpr std::size_t id_size = 36;

// What all callers share. Each takes the next submission, waits until it is due, and sends it; with all callers busy it goes out late, which
// counts as waiting.
struct open_loop {
    std::string request;
    steady_clock::time_point start{};
    std::chrono::nanoseconds interval{};
    std::size_t count = 0;
    std::size_t next = 0;
    latencies answers{};
    std::size_t refused = 0;
    std::unordered_map<std::string, steady_clock::time_point> due{};     // by execution_id
};

runtime::awaitable<void> submit_when_due(http_connection& over, open_loop& loop, runtime::steady_timer timer)
{
    while (loop.next < loop.count) {
        const auto due = loop.start + loop.interval * static_cast<std::int64_t>(loop.next++);
        timer.expires_at(due);
        co_await timer.async_wait(runtime::use_awaitable);
        const reply answer = co_await over.exchange(loop.request);
        loop.answers.add(steady_clock::now() - due);
        const std::size_t id = answer.body.find(id_member);
        if (answer.status != 201 || id == std::string_view::npos) {
            ++loop.refused;
            continue;
        }
        loop.due.emplace(answer.body.substr(id + id_member.size(), id_size), due);
    }
}

// Reads back when each was started, by the server's clock: it must be this machine's.
latencies start_latencies(server& at, const std::string& correlation, const open_loop& loop, timestamp wall_start)
{
    latencies starts;
    std::string cursor;
    do {
        const json::value page = at.get(fmt::format("/v1/executions?correlation_id={}&limit=1000{}{}", correlation, cursor.empty() ? "" : "&cursor=", cursor));
        for (const json::value& one : page.at("items").as_array()) {
            const auto due = loop.due.find(std::string{one.at("execution_id").as_string()});
            const json::value& started = one.at("started_time");
            if (due == loop.due.end() || !started.is_string()) continue;
            const auto at_start = parse_rfc3339(std::string_view{started.as_string()});
            if (at_start) starts.add((*at_start - wall_start) - (due->second - loop.start));
        }
        const json::value& next = page.at("next_cursor");
        cursor = next.is_string() ? std::string{next.as_string()} : "";
    } while (!cursor.empty());
    return starts;
}

}

outcome run_latency(server& at, const load_options& options)
{
    at.define("load-noop", R"({"type": "noop"})");
    const std::string correlation = fmt::format("load-{}", random_uuid().str());
    open_loop loop;
    loop.request = request_bytes("POST", "/v1/executions", fmt::format(R"({{"job_id": "load-noop", "correlation_id": "{}"}})", correlation));
    loop.interval = std::chrono::nanoseconds{1'000'000'000 / options.rate};
    loop.count = options.rate * static_cast<std::size_t>(options.length.count());
    asio::io_context context(1);
    std::deque<http_connection> connections;
    run_all all(context);
    for (std::size_t i = 0; i < options.connections; ++i) all.add(connections.emplace_back(context, at.endpoint(i)).connect());
    all.run(longest_answer);

    const double ended_before = at.ended();
    const snapshot before = at.look();
    loop.start = steady_clock::now();
    const timestamp wall_start = wall_clock();
    for (auto& each : connections) all.add(submit_when_due(each, loop, runtime::steady_timer(context)));
    all.run(options.length + longest_answer);
    const auto jobs = static_cast<double>(loop.due.size());
    at.wait_until_ended(ended_before + jobs, longest_pause, between_looks);
    const snapshot after = at.look();
    auto starts = start_latencies(at, correlation, loop, wall_start);

    outcome made{"latency", fmt::format("{} a second, {} s", options.rate, options.length.count())};
    made.add("jobs", jobs);
    made.add("p50 ms", loop.answers.percentile_ms(0.50));
    made.add("p99 ms", loop.answers.percentile_ms(0.99));
    made.add("start p50 ms", starts.percentile_ms(0.50));
    made.add("start p99 ms", starts.percentile_ms(0.99));
    add_usage(made, before, after, jobs);
    made.add("server MB", at.rss_mb());
    if (loop.refused > 0) made.add("refused", static_cast<double>(loop.refused));
    return made;
}

}
