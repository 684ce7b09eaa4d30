#include "storage/model/plan_parts.hpp"

#include "storage/model/json_text.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace rowlock {

namespace {

constexpr std::uint32_t none = graph_order::no_layer;

// The chains of fallbacks: a node, its fallback, that one's fallback and so on. A chain that closes on itself has no beginning, and is a cycle
// of the plan's order anyway.
struct fallback_chains {
    explicit fallback_chains(const std::vector<plan_node>& nodes) : first(nodes.size(), none), last(nodes.size(), none), place(nodes.size(), 0)
    {
        for (std::uint32_t i = 0; i < nodes.size(); ++i) {
            if (!nodes[i].fallback || nodes[i].fallback_of) continue;
            std::uint32_t end = i;
            for (std::uint32_t n = 0;; ++n) {
                first[end] = i;
                place[end] = n;
                if (!nodes[end].fallback) break;
                end = *nodes[end].fallback;
            }
            for (std::uint32_t at = i;; at = *nodes[at].fallback) {
                last[at] = end;
                if (at == end) break;
            }
        }
    }

    bool stands_in_for(std::uint32_t node, std::uint32_t other) const { return first[node] != none && first[node] == first[other] && place[node] > place[other]; }

    std::vector<std::uint32_t> first;                // of each node's chain; none: it is in no chain
    std::vector<std::uint32_t> last;
    std::vector<std::uint32_t> place;                // in its chain
};

std::vector<arrow> waits_of(const plan_definition& plan, const fallback_chains& chains)
{
    std::size_t size = plan.nodes.size();
    for (const auto& node : plan.nodes) size += node.needs.size();
    std::vector<arrow> waits;
    waits.reserve(size);
    for (std::uint32_t to = 0; to < plan.nodes.size(); ++to) {
        for (const auto& need : plan.nodes[to].needs) {
            waits.push_back({need.node, to});
            if (plan.nodes[need.node].fallback && chains.last[need.node] != none) waits.push_back({chains.last[need.node], to});
        }
        if (const auto& primary = plan.nodes[to].fallback_of) waits.push_back({*primary, to});
    }
    return waits;
}

}

std::vector<arrow> waits_of(const plan_definition& plan)
{
    return waits_of(plan, fallback_chains(plan.nodes));
}

void refuse_cycles(const plan_definition& plan, const graph_order& order, field_errors& errors)
{
    for (const auto& cycle : order.cycles) {
        std::vector<std::string> ids;
        for (const auto node : cycle) ids.push_back(plan.nodes[node].node_id);
        const auto closing = cycle[cycle.size() - 2];
        const bool by_fallback = plan.nodes[closing].fallback == cycle.front();
        errors.add_cycle(by_fallback ? path_of(path_of("nodes", closing), "fallback") : path_of(path_of("nodes", cycle.front()), "needs"), std::move(ids));
    }
}

namespace plan {

namespace {

constexpr std::array<std::string_view, 9> result_members{"status", "exit_code", "error_code", "error_message", "records_processed", "records_failed",
                                                         "duration_seconds", "metrics", "outputs"};
constexpr std::array<std::string_view, 6> list_result_members{"status", "outputs", "records_processed", "records_failed", "items", "failed"};

// A fallback needs the failure of what it stands in for. Another need on it could only contradict that.
void refuse_needs_within_chains(reading& r, const fallback_chains& chains)
{
    for (std::uint32_t i = 0; i < r.made.nodes.size(); ++i) {
        auto& node = r.made.nodes[i];
        if (!node.fallback_of) continue;
        const auto contradicts = [&](const plan_need& need) { return chains.stands_in_for(i, need.node); };
        for (const auto& need : node.needs) {
            if (!contradicts(need)) continue;
            const std::string& id = r.made.nodes[need.node].node_id;
            r.errors.add(path_of(path_of("nodes", i), "needs"), nullptr,
                         fmt::format("names {}, whose fallback this node is: it starts when that has failed, and needs to say no more", id));
        }
        std::erase_if(node.needs, contradicts);
    }
}

std::string refusal_of_member(const template_part& part, const plan_node& named)
{
    if (part.path.empty()) return {};
    const auto& name = part.path.front().name;
    const auto is_in = [&](const auto& members) { return std::find(members.begin(), members.end(), name) != members.end(); };
    if (named.for_each ? is_in(list_result_members) : is_in(result_members)) return {};
    const auto known = named.for_each ? fmt::format("{}", fmt::join(list_result_members, ", ")) : fmt::format("{}", fmt::join(result_members, ", "));
    return fmt::format("{{{{ {} }}}} names nothing: the result of {} has {}", part.text, named.node_id, known);
}

// A template that names a node, and where it stands.
struct named_in {
    std::uint32_t node = 0;
    const template_part* part = nullptr;
    const plan_template* place = nullptr;            // none: for_each
};

std::string field_of(const named_in& where)
{
    const std::string path = path_of("nodes", where.node);
    return where.place ? path_of(path_of(path, "parameters"), where.place->at) : path_of(path, "for_each");
}

std::vector<named_in> templates_that_name_nodes(const plan_definition& made)
{
    std::vector<named_in> all;
    for (std::uint32_t i = 0; i < made.nodes.size(); ++i) {
        const auto& node = made.nodes[i];
        if (node.for_each && node.for_each->source && node.for_each->source->what == template_part::kind::node) all.push_back({i, &*node.for_each->source});
        for (const auto& place : node.templates) {
            for (const auto& part : place.parts) {
                if (part.what == template_part::kind::node) all.push_back({i, &part, &place});
            }
        }
    }
    return all;
}

void check_templates(reading& r, const std::vector<arrow>& waits, const graph_order& order)
{
    const auto all = templates_that_name_nodes(r.made);
    std::vector<ancestor_question> questions;
    std::vector<const named_in*> asked;
    for (const auto& each : all) {
        if (auto why = refusal_of_member(*each.part, r.made.nodes[each.part->node]); !why.empty()) r.errors.add(field_of(each), nullptr, std::move(why));
        // Of what is on a cycle or behind one nobody can say what comes first.
        if (order.layer[each.node] == graph_order::no_layer) continue;
        questions.push_back({each.part->node, each.node});
        asked.push_back(&each);
    }
    const auto answers = are_ancestors(questions, waits, order);
    for (std::size_t i = 0; i < asked.size(); ++i) {
        if (answers[i] || r.errors.full()) continue;
        const auto& id = r.made.nodes[asked[i]->part->node].node_id;
        auto why = asked[i]->part->node == asked[i]->node
                       ? fmt::format("{{{{ {} }}}} names the node itself, which has no result before it has ended", asked[i]->part->text)
                       : fmt::format("{{{{ {} }}}} names {}, which need not have ended when this node starts; add {} to its needs", asked[i]->part->text, id, id);
        r.errors.add(field_of(*asked[i]), nullptr, std::move(why));
    }
}

}

void check_links(reading& r)
{
    const fallback_chains chains(r.made.nodes);
    refuse_needs_within_chains(r, chains);
    const auto waits = waits_of(r.made, chains);
    const auto order = order_of(r.made.nodes.size(), waits);
    refuse_cycles(r.made, order, r.errors);
    check_templates(r, waits, order);
}

}

}
