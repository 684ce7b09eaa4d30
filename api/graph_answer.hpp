#pragma once

#include "api/context.hpp"
#include "api/query.hpp"
#include "runtime/graph/graph.hpp"

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rowlock::api {

// A graph in the form that the client asks for with ?format=.
enum class graph_format : std::uint8_t { json, dot, mermaid };
// nullopt: the query has none.
std::optional<graph_format> read_graph_format(query_reader& query);

// 200 with the graph as spec J9 has it.
response show_graph(request_context& rq, const boost::json::object& document);
// 200 with its drawing, for Graphviz or Mermaid. `name`: what the drawing is of.
response show_drawing(request_context& rq, graph_format format, const runtime::graph& g, std::string_view name);

}
