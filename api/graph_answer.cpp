#include "api/graph_answer.hpp"

#include "runtime/graph/drawing.hpp"
#include "runtime/graph/graph_document.hpp"

namespace rowlock::api {

namespace {

constexpr std::string_view dot_type = "text/vnd.graphviz; charset=utf-8";

}

std::optional<graph_format> read_graph_format(query_reader& query)
{
    const auto name = query.text("format");
    if (!name) return std::nullopt;
    if (*name == "json") return graph_format::json;
    if (*name == "dot") return graph_format::dot;
    if (*name == "mermaid") return graph_format::mermaid;
    query.refuse("format", *name, "must be json, dot or mermaid");
    return std::nullopt;
}

response show_graph(request_context& rq, const boost::json::object& document)
{
    auto answer = rq.reply(200);
    append_text(answer.body, document);
    return answer;
}

response show_drawing(request_context& rq, graph_format format, const runtime::graph& g, std::string_view name)
{
    switch (format) {
    case graph_format::json: return show_graph(rq, runtime::graph_document(g));
    case graph_format::dot: {
        auto answer = rq.reply(200, dot_type);
        answer.body.append(runtime::to_dot(g, name));
        return answer;
    }
    case graph_format::mermaid: break;
    }
    auto answer = rq.reply(200, text_type);
    answer.body.append(runtime::to_mermaid(g));
    return answer;
}

}
