#include "ops/cli/plan_follower.hpp"

#include "ops/cli/human_text.hpp"
#include "ops/cli/json_read.hpp"
#include "ops/cli/plan_view.hpp"
#include "ops/cli/progress_bar.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <set>

namespace rowlock::ops {

namespace json = boost::json;
using std::chrono::milliseconds;

namespace {

// Runs of more nodes are told by layers.
constexpr std::size_t most_told_nodes = 50;
constexpr milliseconds shortest_look{500};
constexpr milliseconds longest_look{30'000};
constexpr std::chrono::seconds beyond_look{60};
// Large runs take a while to be shown: no more than this share of the time is spent on it.
constexpr int rest_after_look = 4;

class progress {
public:
    explicit progress(context& c) : c_(c), bar_(c.screen.err(), c.screen.style(), c.screen.quiet(), "running", 0) {}

    void tell(const json::value& run)
    {
        const auto layers = layers_of(run);
        if (c_.screen.style().live) draw(layers);
        else if (const json::array* nodes = array_at(run, "nodes"); nodes && nodes->size() <= most_told_nodes) tell_nodes(*nodes);
        else tell_layers(layers);
    }

private:
    void draw(const std::vector<layer_counts>& layers)
    {
        auto far = bar_of(layers);
        bar_.restate(std::move(far.label), far.total);
        bar_.advance_to(far.done);
    }

    void tell_nodes(const json::array& nodes)
    {
        for (const json::value& node : nodes) {
            const std::string status = text_at(node, "status");
            if (!is_end_of_node(status) || !told_.insert(text_at(node, "node_id")).second) continue;
            std::string line = fmt::format("layer {}: {} {}", text_at(node, "layer"), text_at(node, "node_id"), status);
            if (const std::string code = text_at(node, "error_code"); !code.empty() && status != "COMPLETED") line += ": " + code;
            c_.screen.notice(line);
        }
    }

    void tell_layers(const std::vector<layer_counts>& layers)
    {
        said_.resize(layers.size(), 0);
        for (std::size_t i = 0; i < layers.size(); ++i) {
            const auto& one = layers[i];
            if (one.ended == said_[i]) continue;
            said_[i] = one.ended;
            c_.screen.notice(fmt::format("layer {}: {} of {} ended{}", i, one.ended, counted(one.nodes, "node"), one.failed > 0 ? fmt::format(", {} failed", one.failed) : ""));
        }
    }

    context& c_;
    progress_bar bar_;
    std::set<std::string> told_{};
    std::vector<std::size_t> said_{};
};

}

outcome_of<json::value> follow_plan_run(context& c, const std::string& plan_run_id)
{
    progress shown(c);
    milliseconds wait{0};
    for (;;) {
        target at = target("/v1/plan-runs").segment(plan_run_id).segment("wait");
        at.query("timeout_seconds", fmt::format("{}.{:03}", wait.count() / 1000, wait.count() % 1000));
        const auto asked = std::chrono::steady_clock::now();
        auto run = c.api().get(at, std::chrono::ceil<std::chrono::seconds>(wait) + beyond_look);
        if (!run) return run.error();
        if (text_at(run->body, "status").empty()) return odd_reply(fmt::format("GET {} was answered without a status", at.text()));
        shown.tell(run->body);
        if (plan_run_has_ended(run->body)) return std::move(run->body);
        const auto took = std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - asked) - wait;
        wait = std::clamp(rest_after_look * std::max(took, milliseconds{0}), shortest_look, longest_look);
    }
}

exit_code follow_and_show(context& c, const std::string& plan_run_id)
{
    const auto run = follow_plan_run(c, plan_run_id);
    if (!run) return c.fail(run.error());
    if (c.screen.human()) c.screen.raw(draw_layers(*run, c.screen.style()));
    else c.screen.document(*run);
    c.screen.notice(one_line_of_plan_run(*run));
    return exit_code_of_plan_run(*run);
}

}
