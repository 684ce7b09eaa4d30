#include "tests/pg/plans/plan_model.hpp"

#include <boost/json.hpp>

namespace rowlock::test {

namespace json = boost::json;

void plan_model::add(modelled_node node)
{
    order_.push_back(node.id);
    nodes_.emplace(node.id, std::move(node));
}

bool plan_model::holds(const modelled_need& need) const
{
    const auto upstream = status(need.node);
    if (need.type == "SUCCESS" || nodes_.at(need.node).gate) return succeeded(need.node);
    return upstream != "SKIPPED" || !need.skip_on_upstream_skip;
}

std::string plan_model::status(const std::string& id) const
{
    if (const auto at = known_.find(id); at != known_.end()) return at->second;
    const auto& node = nodes_.at(id);
    bool runs = true;
    for (const auto& need : node.needs) runs = holds(need) && runs;
    for (const auto& [other, primary] : nodes_) {
        if (primary.fallback != id) continue;
        const auto how = status(other);
        runs = runs && (how == "FAILED" || how == "TIMEOUT");
    }
    return known_[id] = runs ? std::string(to_string(node.outcome)) : "SKIPPED";
}

bool plan_model::succeeded(const std::string& id) const
{
    const auto how = status(id);
    if (how == "COMPLETED") return true;
    const auto& node = nodes_.at(id);
    return (how == "FAILED" || how == "TIMEOUT") && !node.fallback.empty() && succeeded(node.fallback);
}

std::string plan_model::plan_status() const
{
    bool cancelled = false;
    for (const auto& id : order_) {
        const auto how = status(id);
        if ((how == "FAILED" || how == "TIMEOUT") && !succeeded(id)) return "FAILED";
        cancelled = cancelled || how == "CANCELLED";
    }
    return cancelled ? "CANCELLED" : "COMPLETED";
}

std::string plan_model::text() const
{
    json::array nodes;
    for (const auto& id : order_) {
        const auto& node = nodes_.at(id);
        json::object shown{{"node_id", id}, {"job_id", node.gate ? "gate" : "job-" + std::to_string(id.size() % 3)}};
        if (node.gate) shown["type"] = "validator";
        if (!node.fallback.empty()) shown["fallback"] = node.fallback;
        json::array needs;
        for (const auto& need : node.needs) needs.push_back(json::object{{"node", need.node}, {"type", need.type}, {"skip_on_upstream_skip", need.skip_on_upstream_skip}});
        shown["needs"] = std::move(needs);
        nodes.push_back(std::move(shown));
    }
    return json::serialize(json::object{{"nodes", std::move(nodes)}});
}

}
