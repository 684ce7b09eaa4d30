#include "runtime/graph/job_graph.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <cmath>
#include <fmt/format.h>
#include <map>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace rowlock::runtime {

namespace json = boost::json;

namespace {

std::string_view text_in(const json::object& from, std::string_view name)
{
    const auto* found = from.if_contains(json::string_view(name.data(), name.size()));
    const auto* text = found ? found->if_string() : nullptr;
    return text ? std::string_view(text->data(), text->size()) : std::string_view{};
}

const json::array* array_in(const json::object& from, std::string_view name)
{
    const auto* found = from.if_contains(json::string_view(name.data(), name.size()));
    return found ? found->if_array() : nullptr;
}

// A data set is told by its name, or by an object with one.
std::string_view name_of_data(const json::value& data)
{
    if (const auto* text = data.if_string()) return {text->data(), text->size()};
    const auto* members = data.if_object();
    return members ? text_in(*members, "name") : std::string_view{};
}

edge_type type_of_dependency(std::string_view name)
{
    if (name == "COMPLETION") return edge_type::completion;
    return name == "DATA_READY" ? edge_type::data_ready : edge_type::success;
}

// Seconds.
std::optional<milliseconds> time_in(const json::object& from, std::string_view name)
{
    const auto* found = from.if_contains(json::string_view(name.data(), name.size()));
    if (!found || !found->is_number()) return std::nullopt;
    return milliseconds{std::llround(found->to_number<double>() * 1000)};
}

bool is_true(const json::object& from, std::string_view name)
{
    const auto* found = from.if_contains(json::string_view(name.data(), name.size()));
    const auto* flag = found ? found->if_bool() : nullptr;
    return flag && *flag;
}

class builder {
public:
    explicit builder(std::span<const json::object> definitions) : definitions_(definitions)
    {
        for (std::uint32_t i = 0; i < definitions.size(); ++i) {
            const auto& one = definitions[i];
            made_.drawn.nodes.push_back({.id = std::string(text_in(one, "job_id")), .gate = text_in(one, "type") == "validator"});
            index_.emplace(text_in(one, "job_id"), i);
        }
    }

    job_graph build()
    {
        for (std::uint32_t i = 0; i < definitions_.size(); ++i) add_dependencies(i);
        explicit_ = made_.drawn.edges.size();
        add_data();
        return std::move(made_);
    }

private:
    // The edge between two jobs: what was there first stays.
    graph_edge& add(graph_edge edge)
    {
        const auto [at, is_new] = there_.emplace(std::pair(edge.from, edge.to), made_.drawn.edges.size());
        if (is_new) made_.drawn.edges.push_back(std::move(edge));
        return made_.drawn.edges[at->second];
    }

    void add_dependencies(std::uint32_t to)
    {
        const auto* list = array_in(definitions_[to], "dependencies");
        if (!list) return;
        for (const auto& each : *list) {
            const auto* dependency = each.if_object();
            if (!dependency) continue;
            const auto upstream = text_in(*dependency, "upstream_job_id");
            const auto at = index_.find(upstream);
            if (at == index_.end()) {
                made_.problems.push_back(fmt::format("{} depends on {}, and there is no such job", made_.drawn.nodes[to].id, upstream));
                continue;
            }
            add({.from = at->second, .to = to, .type = type_of_dependency(text_in(*dependency, "dependency_type")), .condition = std::string(text_in(*dependency, "condition")),
                 .skip_on_upstream_skip = is_true(*dependency, "skip_on_upstream_skip"), .window = time_in(*dependency, "window")});
        }
    }

    void add_data()
    {
        std::unordered_map<std::string_view, std::vector<std::uint32_t>> makers;
        for (std::uint32_t i = 0; i < definitions_.size(); ++i) {
            const auto* outputs = array_in(definitions_[i], "outputs");
            if (!outputs) continue;
            for (const auto& each : *outputs) {
                if (const auto name = name_of_data(each); !name.empty()) makers[name].push_back(i);
            }
        }
        for (std::uint32_t to = 0; to < definitions_.size(); ++to) {
            const auto* inputs = array_in(definitions_[to], "inputs");
            if (!inputs) continue;
            for (const auto& each : *inputs) {
                const auto at = makers.find(name_of_data(each));
                if (at == makers.end()) continue;    // it comes from elsewhere
                for (const auto from : at->second) {
                    if (from != to) add_flow(from, to, at->first);
                }
            }
        }
    }

    // Where a job says itself how it depends on another, that counts, and the data adds nothing.
    void add_flow(std::uint32_t from, std::uint32_t to, std::string_view name)
    {
        const auto known = there_.find({from, to});
        if (known != there_.end() && known->second < explicit_) return;
        auto& data = add({.from = from, .to = to}).data;
        if (std::find(data.begin(), data.end(), name) == data.end()) data.emplace_back(name);
    }

    std::span<const json::object> definitions_;
    job_graph made_{};
    std::unordered_map<std::string_view, std::uint32_t> index_{};
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::size_t> there_{};      // the edge from one to another
    std::size_t explicit_ = 0;                       // so many edges were asked for: the first
};

}

job_graph graph_of_jobs(std::span<const json::object> definitions)
{
    return builder(definitions).build();
}

}
