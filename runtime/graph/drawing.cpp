#include "runtime/graph/drawing.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace rowlock::runtime {

namespace {

struct status_colours {
    std::string_view status;
    std::string_view fill;
    std::string_view line;
};
constexpr std::array<status_colours, 8> colours{{
    {"PENDING", "#f5f5f5", "#9e9e9e"},
    {"QUEUED", "#e3f2fd", "#64b5f6"},
    {"RUNNING", "#90caf9", "#1565c0"},
    {"COMPLETED", "#c8e6c9", "#2e7d32"},
    {"FAILED", "#ffcdd2", "#c62828"},
    {"TIMEOUT", "#ffe0b2", "#ef6c00"},
    {"CANCELLED", "#e1bee7", "#6a1b9a"},
    {"SKIPPED", "#eeeeee", "#757575"},
}};

const status_colours* colours_of(std::string_view status)
{
    const auto at = std::find_if(colours.begin(), colours.end(), [status](const auto& each) { return each.status == status; });
    return at == colours.end() ? nullptr : &*at;
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// Graphviz: within quotes a backslash begins an escape, and in labels also an ampersand one.
void append_dot(std::string& out, std::string_view text, bool is_label)
{
    for (const char c : text) {
        if (c == '"' || c == '\\') out.append("\\").push_back(c);
        else if (c == '&' && is_label) out += "&amp;";
        else if (c == '\n' && is_label) out += "\\n";
        else out += is_control(c) ? ' ' : c;
    }
}

std::string dot_name(std::string_view id)
{
    std::string out = "\"";
    append_dot(out, id, false);
    return out += '"';
}

// Mermaid: its own entities, which begin with '#'. Whatever means something to it or to HTML is written as one.
void append_mermaid(std::string& out, std::string_view text)
{
    constexpr std::string_view special = "\"#&<>`|\\";
    for (const char c : text) {
        if (c == '\n') out += "<br/>";
        else if (special.find(c) != std::string_view::npos) out += fmt::format("#{};", static_cast<int>(c));
        else out += is_control(c) ? ' ' : c;
    }
}

// A node's id where Mermaid takes it as it is, else its number. Ids are in lower case, so that no number looks like one.
std::string mermaid_name(const graph& g, std::uint32_t node)
{
    constexpr std::array<std::string_view, 12> words{"end", "graph", "flowchart", "subgraph", "class", "click", "style", "default", "call", "href", "direction", "interpolate"};
    const std::string& id = g.nodes[node].id;
    const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
    const bool plain = !id.empty() && is_letter(id.front()) && std::all_of(id.begin(), id.end(), [&](char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '_'; });
    return plain && std::find(words.begin(), words.end(), id) == words.end() ? id : fmt::format("N{}", node);
}

// The lines of a node: its id, the job where that says more, its status.
std::vector<std::string_view> lines_of(const graph_node& node)
{
    std::vector<std::string_view> lines{node.id};
    if (!node.job_id.empty() && node.job_id != node.id) lines.push_back(node.job_id);
    if (!node.status.empty()) lines.push_back(node.status);
    return lines;
}

std::string_view dot_style(edge_type type)
{
    switch (type) {
    case edge_type::success: return "solid";
    case edge_type::data_ready: return "bold";
    case edge_type::completion: return "dotted";
    case edge_type::fallback: return "dashed";
    }
    return "solid";
}

// What an edge says of itself: its type where that is not SUCCESS, its condition, its window, and its data sets; a line each.
std::string text_of(const graph_edge& edge)
{
    std::vector<std::string> lines;
    if (edge.type != edge_type::success) lines.emplace_back(name_of(edge.type));
    if (!edge.condition.empty()) lines.push_back(edge.condition);
    if (edge.window) lines.push_back(fmt::format("within {} s", std::chrono::duration<double>(*edge.window).count()));
    if (!edge.data.empty()) lines.push_back(fmt::format("{}", fmt::join(edge.data, ", ")));
    return fmt::format("{}", fmt::join(lines, "\n"));
}

void append_dot_node(std::string& out, const graph_node& node)
{
    out.append("    ").append(dot_name(node.id)).append(" [label=\"");
    bool first = true;
    for (const auto line : lines_of(node)) {
        if (!first) out += "\\n";
        first = false;
        append_dot(out, line, true);
    }
    out += '"';
    if (node.gate) out += ", shape=hexagon";
    if (node.for_each) out += ", peripheries=2";
    if (const auto* c = colours_of(node.status)) out += fmt::format(", fillcolor=\"{}\", color=\"{}\"", c->fill, c->line);
    out += "];\n";
}

void append_dot_edge(std::string& out, const graph& g, const graph_edge& edge)
{
    out += fmt::format("    {} -> {} [style={}", dot_name(g.nodes[edge.from].id), dot_name(g.nodes[edge.to].id), dot_style(edge.type));
    if (const auto text = text_of(edge); !text.empty()) {
        out += ", label=\"";
        append_dot(out, text, true);
        out += '"';
    }
    out += "];\n";
}

void append_mermaid_node(std::string& out, const graph& g, std::uint32_t number)
{
    const auto& node = g.nodes[number];
    const std::string_view opening = node.gate ? "{{\"" : node.for_each ? "[[\"" : "[\"";
    const std::string_view closing = node.gate ? "\"}}" : node.for_each ? "\"]]" : "\"]";
    out.append("    ").append(mermaid_name(g, number)).append(opening);
    bool first = true;
    for (const auto line : lines_of(node)) {
        if (!first) out += "<br/>";
        first = false;
        append_mermaid(out, line);
    }
    out.append(closing);
    if (const auto* c = colours_of(node.status)) out.append(":::").append(c->status);
    out += '\n';
}

std::string_view mermaid_arrow(edge_type type)
{
    switch (type) {
    case edge_type::success: return "-->";
    case edge_type::data_ready: return "==>";
    case edge_type::completion:
    case edge_type::fallback: return "-.->";
    }
    return "-->";
}

void append_mermaid_edge(std::string& out, const graph& g, const graph_edge& edge)
{
    out += fmt::format("    {} {}", mermaid_name(g, edge.from), mermaid_arrow(edge.type));
    if (const auto text = text_of(edge); !text.empty()) {
        out += "|\"";
        append_mermaid(out, text);
        out += "\"|";
    }
    out += fmt::format(" {}\n", mermaid_name(g, edge.to));
}

void append_mermaid_classes(std::string& out, const graph& g)
{
    for (const auto& c : colours) {
        const bool used = std::any_of(g.nodes.begin(), g.nodes.end(), [&c](const graph_node& node) { return node.status == c.status; });
        if (used) out += fmt::format("    classDef {} fill:{},stroke:{}\n", c.status, c.fill, c.line);
    }
}

}

std::string to_dot(const graph& g, std::string_view name)
{
    std::string out = fmt::format("digraph {} {{\n    rankdir=LR;\n    node [shape=box, style=\"rounded,filled\", fillcolor=\"#ffffff\"];\n", dot_name(name));
    for (const auto& node : g.nodes) append_dot_node(out, node);
    for (const auto& edge : g.edges) append_dot_edge(out, g, edge);
    return out += "}\n";
}

std::string to_mermaid(const graph& g)
{
    std::string out = "flowchart LR\n";
    for (std::uint32_t i = 0; i < g.nodes.size(); ++i) append_mermaid_node(out, g, i);
    for (const auto& edge : g.edges) append_mermaid_edge(out, g, edge);
    append_mermaid_classes(out, g);
    return out;
}

}
