#include "storage/model/document_fields.hpp"
#include "storage/model/ids.hpp"
#include "storage/model/plan_parts.hpp"

#include <algorithm>
#include <array>
#include <boost/json/string.hpp>
#include <fmt/format.h>

namespace rowlock::plan {

namespace json = boost::json;

namespace {

constexpr std::array<std::string_view, 4> node_types{"tool", "validator", "test", "job"};
constexpr text_bounds path_bounds{1, 4096};          // of a SQL/JSON path

std::string_view view(const json::string& s)
{
    return {s.data(), s.size()};
}

// ---- ids

void collect_ids(reading& r, const json::array& nodes)
{
    r.index.reserve(nodes.size());
    for (std::uint32_t i = 0; i < nodes.size(); ++i) {
        const auto* node = nodes[i].if_object();
        const auto* id = node ? node->if_contains("node_id") : nullptr;
        if (id && id->is_string() && is_slug(view(id->get_string()))) r.index.emplace(view(id->get_string()), i);
    }
}

void read_node_id(reading& r, json_fields& fields, std::uint32_t i)
{
    if (!fields.has("node_id")) fields.require("node_id");
    auto id = fields.slug("node_id");
    if (!id) return;
    const auto first = r.find(*id);
    if (first && *first != i) fields.refuse(fields.find("node_id"), fmt::format("is the id of {} too; each node needs one of its own", path_of("nodes", *first)));
    r.made.nodes[i].node_id = std::move(*id);
}

// ---- needs

// Why node `to` cannot need the one called `id`; "": it can, and `from` is its index.
std::string refusal_of_need(reading& r, std::uint32_t to, std::string_view id, std::uint32_t& from)
{
    const auto found = r.find(id);
    if (!found) return fmt::format("names no node of this plan: there is no {}", id);
    if (*found == to) return "is the node itself, which cannot wait for its own end";
    if (r.needed_by[*found] == to + 1) return fmt::format("names {} a second time; a node needs another once", id);
    r.needed_by[*found] = to + 1;
    from = *found;
    return {};
}

void read_need_type(reading& r, json_fields& fields, plan_need& need)
{
    if (const auto type = fields.choice("type", need_type_names)) need.type = need_type_of(*type);
    if (auto condition = fields.text("condition", path_bounds)) {
        r.made.paths.push_back({fields.path_of_member("condition"), *condition});
        need.condition = std::move(*condition);
    }
    if (const auto skip = fields.boolean("skip_on_upstream_skip")) need.skip_on_upstream_skip = *skip;
}

void read_need_object(reading& r, json_fields& fields, std::uint32_t to, plan_need need)
{
    if (!fields.has("node")) fields.require("node");
    const auto id = fields.slug("node");
    read_need_type(r, fields, need);
    fields.refuse_rest();
    if (!id) return;
    if (auto why = refusal_of_need(r, to, *id, need.node); why.empty()) r.made.nodes[to].needs.push_back(std::move(need));
    else fields.refuse(fields.find("node"), std::move(why));
}

void read_needs(reading& r, json_fields& fields, std::uint32_t to)
{
    const auto given = fields.find("needs");
    if (!given) return;
    const auto* list = given.value->if_array();
    if (!list) {
        fields.refuse(given, "must be an array of ids of nodes, or of objects with a node");
        return;
    }
    json::array kept;
    kept.reserve(list->size());
    auto& needs = r.made.nodes[to].needs;
    needs.reserve(list->size());
    const plan_need plain{.skip_on_upstream_skip = r.skips[to]};
    const std::string path = fields.path_of_member("needs");
    for (std::size_t i = 0; i < list->size(); ++i) {
        const auto& item = (*list)[i];
        if (const auto* id = item.if_string()) {
            plan_need need = plain;
            if (auto why = refusal_of_need(r, to, view(*id), need.node); why.empty()) needs.push_back(std::move(need));
            else r.errors.add(path_of(path, i), &item, std::move(why));
            kept.push_back(item);
        } else if (const auto* object = item.if_object()) {
            json::object members;
            json_fields inner(*object, path_of(path, i), r.errors, members);
            read_need_object(r, inner, to, plain);
            // What says no more than the node is written as its id.
            if (members.size() == 1 && members.contains("node")) kept.push_back(members.at("node"));
            else kept.push_back(std::move(members));
        } else {
            r.errors.add(path_of(path, i), &item, "must be the id of a node, or an object with a node");
        }
    }
    fields.accept("needs", std::move(kept));
}

// ---- fallback

void read_fallback(reading& r, json_fields& fields, std::uint32_t i)
{
    const auto given = fields.find("fallback");
    const auto id = fields.slug("fallback");
    if (!id) return;
    const auto found = r.find(*id);
    auto& node = r.made.nodes[i];
    if (node.gate) {
        fields.refuse(given, "cannot be given to a validator: nothing stands in for a gate that has failed");
    } else if (!found) {
        fields.refuse(given, fmt::format("names no node of this plan: there is no {}", *id));
    } else if (*found == i) {
        fields.refuse(given, "is the node itself, which cannot stand in for itself");
    } else if (const auto other = r.made.nodes[*found].fallback_of) {
        fields.refuse(given, fmt::format("is the fallback of {} too; a node stands in for one other", path_of("nodes", *other)));
    } else {
        node.fallback = *found;
        r.made.nodes[*found].fallback_of = i;
    }
}

// ---- the job

void read_inline_job(reading& r, json_fields& fields, const json::object& given, plan_node& node)
{
    if (const auto version = fields.find("job_version")) fields.refuse(version, "is of jobs in the catalogue; a handler has no versions, leave it out");
    const auto job = r.inline_jobs.take(given);
    if (!job) {
        r.errors.add_all(job.error(), fields.path());
        return;
    }
    node.inline_job = *job;
    const auto& definition = *r.made.inline_jobs[*job];
    node.gate = definition.is_validator;
    for (const auto& member : definition.document) {
        if (member.key() != "job_id") fields.accept({member.key().data(), member.key().size()}, member.value());
    }
}

void read_job(reading& r, json_fields& fields, const json::object& given, plan_node& node)
{
    const auto job = fields.find("job_id");
    const auto handler = fields.find("handler");
    if (job && handler) {
        // Whose members the others are there is no telling.
        fields.refuse(handler, "cannot stand beside job_id: a node runs a job of the catalogue or a handler of its own; leave one of them out");
        return;
    }
    if (handler) {
        read_inline_job(r, fields, given, node);
        return;
    }
    if (!job) fields.refuse({"job_id", nullptr}, "is required, or a handler");
    node.job_id = fields.slug("job_id").value_or("");
    if (const auto version = fields.integer("job_version", 1, std::numeric_limits<std::int32_t>::max())) node.job_version = static_cast<int>(*version);
    node.gate = fields.choice("type", node_types) == "validator";
    fields.refuse_rest();
}

void read_node(reading& r, std::uint32_t i, const json::object& given, json::array& kept)
{
    auto& node = r.made.nodes[i];
    json::object accepted;
    json_fields fields(given, path_of("nodes", i), r.errors, accepted);
    read_node_id(r, fields, i);
    if (auto parameters = fields.free_object("parameters")) node.parameters = std::move(*parameters);
    r.skips[i] = fields.boolean("skip_on_upstream_skip").value_or(false);
    read_needs(r, fields, i);
    read_templates(r, fields, node);
    node.tags = document::read_tags(fields);
    if (const auto priority = fields.integer("priority", -1000, 1000)) node.priority = static_cast<int>(*priority);
    fields.find("fallback");             // it is known, though it is read last: whether there may be one depends on the job
    read_job(r, fields, given, node);
    read_fallback(r, fields, i);
    kept.push_back(std::move(accepted));
}

}

bool read_nodes(reading& r, json_fields& plan)
{
    const auto given = plan.find("nodes");
    if (!given) {
        plan.require("nodes");
        return false;
    }
    const auto* list = given.value->if_array();
    if (!list || list->empty()) {
        plan.refuse(given, "must be an array of at least one node");
        return false;
    }
    collect_ids(r, *list);
    r.made.nodes.resize(list->size());
    r.needed_by.assign(list->size(), 0);
    r.skips.assign(list->size(), false);
    json::array kept;
    kept.reserve(list->size());
    for (std::uint32_t i = 0; i < list->size(); ++i) {
        if (const auto* node = (*list)[i].if_object()) read_node(r, i, *node, kept);
        else r.errors.add(path_of("nodes", i), &(*list)[i], "must be an object");
    }
    plan.accept("nodes", std::move(kept));
    return true;
}

namespace {

struct given_edge {
    std::string place;
    std::uint32_t to = 0;
    plan_need need{};
};

// The index of the node that `name` names; none: that is refused.
std::optional<std::uint32_t> read_end(reading& r, json_fields& edge, std::string_view name)
{
    if (!edge.has(name)) edge.require(name);
    const auto id = edge.slug(name);
    const auto found = id ? r.find(*id) : std::nullopt;
    if (id && !found) edge.refuse(edge.find(name), fmt::format("names no node of this plan: there is no {}", *id));
    return found;
}

}

void read_edges(reading& r, json_fields& plan)
{
    constexpr std::size_t most_edges = 10 * most_plan_nodes;
    std::vector<given_edge> edges;
    plan.objects("edges", most_edges, [&](json_fields& fields) {
        given_edge edge{.place = fields.path()};
        const auto from = read_end(r, fields, "from");
        const auto to = read_end(r, fields, "to");
        if (to) edge.need.skip_on_upstream_skip = r.skips[*to];
        read_need_type(r, fields, edge.need);
        if (!from || !to) return;
        edge.need.node = *from;
        edge.to = *to;
        edges.push_back(std::move(edge));
    });
    // A node's own needs and its edges are looked at together: none may be there twice.
    std::stable_sort(edges.begin(), edges.end(), [](const given_edge& a, const given_edge& b) { return a.to < b.to; });
    auto seen = graph_order::no_layer;
    for (auto& [place, to, need] : edges) {
        auto& node = r.made.nodes[to];
        if (to != seen) {
            for (const auto& own : node.needs) r.needed_by[own.node] = to + 1;
        }
        seen = to;
        const std::string& id = r.made.nodes[need.node].node_id;
        if (auto why = refusal_of_need(r, to, id, need.node); !why.empty()) {
            const json::value shown = json::string(id);
            r.errors.add(path_of(place, "from"), &shown, std::move(why));
        } else {
            node.needs.push_back(std::move(need));
        }
    }
}

}
