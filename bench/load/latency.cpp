#include "bench/load/closed_loop.hpp"
#include "bench/load/http_connection.hpp"
#include "bench/load/start_witness.hpp"

#include <fmt/format.h>

namespace rowlock::bench {

namespace asio = boost::asio;
using std::chrono::steady_clock;

namespace {

constexpr std::chrono::milliseconds between_looks{50};

// What all callers share. Each takes the next submission, waits until it is due, and sends it; with all callers busy it goes out late, which
// counts as waiting.
struct open_loop {
    steady_clock::time_point start{};
    std::chrono::nanoseconds interval{};
    std::size_t count = 0;
    std::size_t next = 0;
    latencies answers{};
    std::size_t refused = 0;

    steady_clock::time_point due(std::size_t n) const { return start + interval * static_cast<std::int64_t>(n); }
};

runtime::awaitable<void> submit_when_due(const server& at, http_connection& over, open_loop& loop, start_witness& starts, runtime::steady_timer timer)
{
    while (loop.next < loop.count) {
        const std::size_t n = loop.next++;
        const std::string request = at.request("POST", "/v1/executions", fmt::format(R"({{"job_id": "load-call", "parameters": {{"n": {}}}}})", n));
        const auto due = loop.due(n);
        timer.expires_at(due);
        co_await timer.async_wait(runtime::use_awaitable);
        const reply answer = co_await over.exchange(request);
        loop.answers.add(steady_clock::now() - due);
        if (answer.status == 201) continue;
        ++loop.refused;
        starts.forget_one();
    }
}

}

outcome run_latency(server& at, const load_options& options)
{
    open_loop loop;
    loop.interval = std::chrono::nanoseconds{1'000'000'000 / options.rate};
    loop.count = options.rate * static_cast<std::size_t>(options.length.count());
    asio::io_context context(1);
    std::deque<http_connection> connections;
    run_all all(context);
    start_witness witness(context, all, loop.count);
    at.define("load-call", fmt::format(R"({{"type": "http", "method": "GET", "url": "http://127.0.0.1:{}/{{{{ parameters.n }}}}"}})", witness.port()));
    for (std::size_t i = 0; i < options.connections; ++i) all.add(connections.emplace_back(context, at.endpoint(i)).connect());
    all.run(longest_answer);

    const double ended_before = at.ended();
    const snapshot before = at.look();
    loop.start = steady_clock::now();
    for (auto& each : connections) all.add(submit_when_due(at, each, loop, witness, runtime::steady_timer(context)));
    all.add(witness.listen());
    all.run(options.length + longest_answer, options.tell_from(loop.start));
    const auto jobs = static_cast<double>(loop.count - loop.refused);
    at.wait_until_ended(ended_before + jobs, longest_pause, between_looks);
    const snapshot after = at.look();
    latencies starts;
    for (std::size_t n = 0; n < loop.count; ++n) {
        if (const auto seen = witness.seen(n)) starts.add(*seen - loop.due(n));
    }

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
