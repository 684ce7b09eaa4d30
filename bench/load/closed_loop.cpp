#include "bench/load/closed_loop.hpp"

#include "bench/load/submissions.hpp"

#include <fmt/format.h>

namespace rowlock::bench {

namespace asio = boost::asio;
using std::chrono::steady_clock;

namespace {

constexpr std::string_view noop = R"({"type": "noop"})";

struct caller {
    caller(asio::io_context& context, const asio::ip::tcp::endpoint& server) : connection(context, server) {}

    http_connection connection;
    seen_answers seen{};
};

runtime::awaitable<void> submit_until(caller& c, const std::string& request, int accepted, steady_clock::time_point end)
{
    for (auto now = steady_clock::now(); now < end;) {
        const reply answer = co_await c.connection.exchange(request);
        const auto then = std::exchange(now, steady_clock::now());
        c.seen.add(answer.status == accepted, now - then);
    }
}

// `accepted`: the status of the answer that counts.
outcome run_closed_loop(server& at, outcome made, const std::string& request, int accepted, std::size_t connections, std::size_t jobs_a_request, const load_options& options)
{
    asio::io_context context(1);
    std::deque<caller> callers;
    run_all all(context);
    for (std::size_t i = 0; i < connections; ++i) all.add(callers.emplace_back(context, at.endpoint(i)).connection.connect());
    all.run(longest_answer);
    return measure_closed_loop<caller>(
        at, std::move(made), all, callers, [&request, accepted](caller& c, steady_clock::time_point end) { return submit_until(c, request, accepted, end); }, jobs_a_request, options);
}

}

outcome with_answers(server& at, outcome made, seen_answers seen, double jobs, const snapshot& before, steady_clock::time_point submitted, double ended_before, const load_options& options)
{
    if (!options.stored) at.wait_until_ended(ended_before + jobs, longest_pause, std::chrono::milliseconds{50});
    const snapshot after = at.look();
    const auto per_second = [&](steady_clock::time_point end) { return jobs / std::chrono::duration<double>(end - before.at).count(); };
    made.add("jobs", jobs);
    made.add("accepted/s", per_second(submitted));
    if (!options.stored) made.add("ended/s", per_second(after.at));
    made.add("p50 ms", seen.times.percentile_ms(0.50));
    made.add("p99 ms", seen.times.percentile_ms(0.99));
    add_usage(made, before, after, jobs);
    made.add("server MB", at.rss_mb());
    if (seen.refused > 0) made.add("refused", static_cast<double>(seen.refused));
    return made;
}

outcome run_submit(server& at, const load_options& options)
{
    at.define("load-noop", noop);
    outcome made{"submit", fmt::format("{} connections, {} s", options.connections, options.length.count())};
    return run_closed_loop(at, std::move(made), at.request("POST", "/v1/executions", submissions("load-noop", 1, due_if_stored(options))), 201, options.connections, 1, options);
}

outcome run_batch(server& at, const load_options& options)
{
    at.define("load-noop", noop);
    outcome made{"batch", fmt::format("{} connections, {} a batch, {} s", options.batch_connections, options.batch, options.length.count())};
    const std::string body = fmt::format(R"({{"executions": [{}]}})", submissions("load-noop", options.batch, due_if_stored(options)));
    return run_closed_loop(at, std::move(made), at.request("POST", "/v1/executions/batch", body), 201, options.batch_connections, options.batch, options);
}

outcome run_events(server& at, const load_options& options)
{
    at.define("load-event", noop, R"(, "triggers": [{"trigger_type": "API_CALL", "source": "load", "filter": "$.payload.n > 0"}])");
    outcome made{"events", fmt::format("{} connections, {} s", options.connections, options.length.count())};
    // What events make cannot be due in a day.
    load_options run = options;
    run.stored = false;
    return run_closed_loop(at, std::move(made), at.request("POST", "/v1/events", R"({"source": "load", "payload": {"n": 1}})"), 202, options.connections, 1, run);
}

}
