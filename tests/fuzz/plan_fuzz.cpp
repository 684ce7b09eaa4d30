// Any bytes as the body of a plan: read or refused, never a crash, never a refusal that says nothing. What is accepted is accepted again,
// unchanged, in the form in which it is stored, and can be compiled and drawn.

#include "runtime/graph/drawing.hpp"
#include "runtime/graph/graph_document.hpp"
#include "storage/model/json_text.hpp"

#include <boost/json/object.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace {

using namespace rowlock;

void expect(bool holds)
{
    if (!holds) std::abort();
}

void expect_reasons(const error& e)
{
    expect((e.code == errc::invalid_request || e.code == errc::dependency_cycle) && !e.fields.empty());
    expect((e.code == errc::dependency_cycle) == !e.fields.front().cycle_path.empty());
    for (const auto& field : e.fields) {
        expect(!field.message.empty());
        expect(field.cycle_path.empty() || field.cycle_path.front() == field.cycle_path.back());
    }
}

void follow(const plan_definition& plan)
{
    const auto again = parse_plan(plan.document, plan.plan_id, {});
    expect(again.has_value() && to_text(again->document) == to_text(plan.document));
    const auto compiled = runtime::compile(plan, plan.parameters);
    if (!compiled) {
        expect_reasons(compiled.error());
        return;
    }
    for (const auto& node : compiled->nodes) {
        expect(node.refs.empty() || parse_json(node.refs).has_value());
        expect(node.for_each.empty() || parse_json(node.for_each).has_value());
        for (const auto& edge : node.edges) expect(compiled->nodes[edge.to].layer > node.layer);
    }
    const auto graph = runtime::graph_of(plan, *compiled);
    expect(runtime::graph_document(graph).at("is_valid").as_bool());
    expect(runtime::to_dot(graph, plan.plan_id).ends_with("}\n"));
    expect(runtime::to_mermaid(graph).ends_with("\n"));
}

}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const auto body = parse_json({reinterpret_cast<const char*>(data), size});
    if (!body || !body->is_object()) return 0;
    const auto plan = parse_plan(body->get_object(), "", {});
    if (plan) follow(*plan);
    else expect_reasons(plan.error());
    return 0;
}
