#include "bench/load/latencies.hpp"
#include "bench/load/run_all.hpp"
#include "bench/load/scenarios.hpp"
#include "bench/load/stream_connection.hpp"
#include "storage/model/time.hpp"

#include <algorithm>
#include <charconv>
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

// Frames name the place that they have among those in flight, in so many digits; answers name it where this says.
constexpr std::size_t digits = 6;
constexpr std::string_view before_id = R"({"op":"submit","id":")";
constexpr std::string_view accepted_before_id = R"({"op":"accepted","id":")";
constexpr std::string_view rejected_before_id = R"({"op":"rejected","id":")";

std::string id_of(std::size_t place)
{
    return fmt::format("{:0{}}", place, digits);
}

std::size_t place_of(std::string_view answer, std::size_t at)
{
    std::size_t place = 0;
    const auto id = answer.substr(std::min(at, answer.size()), digits);
    if (std::from_chars(id.data(), id.data() + id.size(), place).ec != std::errc{}) throw std::runtime_error(fmt::format("an answer without an id: {}", answer.substr(0, 60)));
    return place;
}

struct caller {
    caller(asio::io_context& context, const asio::ip::tcp::endpoint& server) : connection(context, server) {}

    stream_connection connection;
    std::vector<steady_clock::time_point> sent{};        // by place
    latencies seen{};
    std::size_t accepted = 0;
    std::size_t refused = 0;
};

runtime::awaitable<void> open(caller& c, const std::string& credentials, std::size_t in_flight)
{
    c.sent.resize(std::min(co_await c.connection.open(credentials), in_flight));
}

// Keeps every place taken until `end`, then waits for what is in flight.
runtime::awaitable<void> submit_until(caller& c, const std::string& rest_of_frame, steady_clock::time_point end)
{
    std::vector<std::string> frames;
    for (std::size_t i = 0; i < c.sent.size(); ++i) frames.push_back(frame_bytes(std::string(before_id) + id_of(i) + rest_of_frame));
    std::string out;
    for (std::size_t i = 0; i < frames.size(); ++i) {
        out += frames[i];
        c.sent[i] = steady_clock::now();
    }
    for (std::size_t in_flight = frames.size(); in_flight > 0;) {
        if (!out.empty()) co_await c.connection.send(out);
        out.clear();
        do {
            const std::string_view answer = co_await c.connection.receive();
            const bool accepted = answer.starts_with(accepted_before_id);
            const std::size_t place = place_of(answer, accepted ? accepted_before_id.size() : rejected_before_id.size());
            if (place >= frames.size()) throw std::runtime_error("an answer to nothing");
            const auto now = steady_clock::now();
            if (accepted) {
                ++c.accepted;
                c.seen.add(now - c.sent[place]);
            } else {
                ++c.refused;
            }
            if (now < end) {
                out += frames[place];
                c.sent[place] = now;
            } else {
                --in_flight;
            }
        } while (c.connection.has_message());
    }
}

}

outcome run_stream(server& at, const load_options& options)
{
    outcome made{"stream", fmt::format("{} streams, {} in flight on each, {} a frame, {} s", options.batch_connections, options.in_flight, options.frame, options.length.count())};
    std::string rest = R"(","executions":[)";
    const std::string when = options.stored ? fmt::format(R"(, "scheduled_time": "{}")", to_rfc3339(wall_clock() + later)) : "";
    for (std::size_t i = 0; i < options.frame; ++i) rest += fmt::format(R"({}{{"job_id": "load-noop", "parameters": {{"n": {}}}{}}})", i > 0 ? ", " : "", i, when);
    rest += "]}";

    at.define("load-noop", R"({"type": "noop"})");
    asio::io_context context(1);
    std::deque<caller> callers;
    run_all all(context);
    for (std::size_t i = 0; i < options.batch_connections; ++i) all.add(open(callers.emplace_back(context, at.endpoint(i)), at.credentials(), options.in_flight));
    all.run(longest_answer);

    const double ended_before = at.ended();
    const snapshot before = at.look();
    for (caller& each : callers) all.add(submit_until(each, rest, before.at + options.length));
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
    const auto jobs = static_cast<double>(accepted * options.frame);
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
