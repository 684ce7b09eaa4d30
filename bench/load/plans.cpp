#include "bench/load/run_all.hpp"
#include "bench/load/submissions.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <random>
#include <vector>

namespace rowlock::bench {

namespace {

constexpr std::chrono::seconds longest_submission{120};
constexpr std::chrono::seconds longest_pause{30};
constexpr std::chrono::milliseconds between_looks{20};
constexpr std::size_t edges_a_node = 3;
constexpr unsigned same_graph = 20;                      // seed: every run measures the same plan

std::string node(std::size_t k, const std::string& needs)
{
    return fmt::format(R"({{"node_id": "n{}", "job_id": "load-noop"{}}})", k, needs.empty() ? "" : fmt::format(R"(, "needs": [{}])", needs));
}

// Each node needs up to three that come before it.
std::string random_nodes(std::size_t nodes)
{
    std::mt19937 dice(same_graph);
    std::string list;
    for (std::size_t k = 0; k < nodes; ++k) {
        std::vector<std::size_t> needs;
        for (std::size_t e = 0; e < std::min(k, edges_a_node); ++e) {
            const auto upstream = std::uniform_int_distribution<std::size_t>(0, k - 1)(dice);
            if (std::find(needs.begin(), needs.end(), upstream) == needs.end()) needs.push_back(upstream);
        }
        std::string text;
        for (const auto upstream : needs) text += fmt::format("{}\"n{}\"", text.empty() ? "" : ", ", upstream);
        list += (k > 0 ? ", " : "") + node(k, text);
    }
    return list;
}

std::string chain(std::size_t nodes)
{
    std::string list;
    for (std::size_t k = 0; k < nodes; ++k) list += (k > 0 ? ", " : "") + node(k, k > 0 ? fmt::format("\"n{}\"", k - 1) : "");
    return list;
}

std::string items(std::size_t count)
{
    std::string list;
    for (std::size_t k = 0; k < count; ++k) list += fmt::format("{}{}", k > 0 ? "," : "", k);
    return fmt::format(R"({{"node_id": "each", "job_id": "load-noop", "for_each": [{}], "parameters": {{"n": "{{{{ item }}}}"}}}})", list);
}

runtime::awaitable<void> send(const server& at, http_connection& over, std::string body)
{
    co_await over.connect();
    const std::string request = at.request("POST", "/v1/plan-runs", body);
    const reply answer = co_await over.exchange(request);
    if (answer.status != 201) throw refused("a plan run was refused", answer.status, std::string(answer.body));
}

// From the request until the last of `executions` has ended.
outcome run_plan_of(server& at, const load_options& options, std::string_view name, std::string how, std::string nodes, std::size_t executions)
{
    at.define("load-noop", R"({"type": "noop"})");
    const double ended_before = at.ended();
    const snapshot before = at.look();
    boost::asio::io_context context(1);
    http_connection connection(context, at.endpoint());
    run_all all(context);
    all.add(send(at, connection, fmt::format(R"({{"plan": {{"nodes": [{}]}}}})", std::move(nodes))));
    all.run(longest_submission);
    const auto accepted = std::chrono::steady_clock::now();
    const auto jobs = static_cast<double>(executions);
    at.wait_until_ended(ended_before + jobs, longest_pause, between_looks, [&](double ended) { options.progress((ended - ended_before) / jobs); });
    const snapshot after = at.look();
    const double seconds = std::chrono::duration<double>(after.at - before.at).count();

    outcome made{std::string(name), std::move(how)};
    made.add("jobs", jobs);
    made.add("accepted ms", 1000 * std::chrono::duration<double>(accepted - before.at).count());
    made.add("ended/s", jobs / seconds);
    made.add("ms a job", 1000 * seconds / jobs);
    add_usage(made, before, after, jobs);
    made.add("server MB", at.rss_mb());
    return made;
}

}

outcome run_plan(server& at, const load_options& options)
{
    return run_plan_of(at, options, "plan", fmt::format("a plan of {} noops, each after up to {} others", options.plan_nodes, edges_a_node), random_nodes(options.plan_nodes),
                       options.plan_nodes);
}

outcome run_chain(server& at, const load_options& options)
{
    return run_plan_of(at, options, "chain", fmt::format("a plan of {} noops, one after the other", options.chain), chain(options.chain), options.chain);
}

outcome run_fan_out(server& at, const load_options& options)
{
    return run_plan_of(at, options, "fan-out", fmt::format("a node that maps over {} items", options.items), items(options.items), options.items);
}

}
