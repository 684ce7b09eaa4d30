#include "ops/cli/plan_view.hpp"

#include "ops/cli/human_text.hpp"
#include "ops/cli/json_read.hpp"

#include <algorithm>
#include <array>
#include <boost/json/object.hpp>
#include <fmt/format.h>

namespace rowlock::ops {

namespace json = boost::json;

namespace {

// Plans of more nodes are told by layers.
constexpr std::size_t most_single_nodes = 60;
constexpr std::size_t most_named_failures = 5;
constexpr std::size_t widest_id = 40;
constexpr std::size_t bar_columns = 20;

struct sign {
    std::string_view status;
    std::string_view unicode;
    std::string_view ascii;
};
constexpr std::array<sign, 8> signs{{{"PENDING", "·", "."},
                                     {"QUEUED", "○", "o"},
                                     {"RUNNING", "●", "*"},
                                     {"COMPLETED", "✓", "+"},
                                     {"FAILED", "✗", "x"},
                                     {"TIMEOUT", "✗", "x"},
                                     {"CANCELLED", "⊘", "-"},
                                     {"SKIPPED", "↷", ">"}}};

std::string_view sign_of(std::string_view status, bool unicode)
{
    const auto at = std::find_if(signs.begin(), signs.end(), [status](const sign& one) { return one.status == status; });
    if (at == signs.end()) return unicode ? "•" : "-";
    return unicode ? at->unicode : at->ascii;
}

bool has_failed(std::string_view status)
{
    return status == "FAILED" || status == "TIMEOUT";
}

const json::array& nodes_of(const json::value& shown)
{
    static const json::array none;
    const json::array* nodes = array_at(shown, "nodes");
    return nodes ? *nodes : none;
}

std::size_t count_at(const json::value& value, std::string_view path)
{
    return static_cast<std::size_t>(std::max(number_at(value, path).value_or(0), 0.0));
}

// What is on a cycle or behind one has no layer, and stands behind all others.
std::size_t layer_of(const json::value& node, std::size_t otherwise)
{
    const auto layer = number_at(node, "layer");
    return layer ? static_cast<std::size_t>(*layer) : otherwise;
}

std::size_t layer_count(const json::value& shown)
{
    std::size_t most = 0;
    bool without = false;
    for (const json::value& node : nodes_of(shown)) {
        const auto layer = number_at(node, "layer");
        if (layer) most = std::max(most, static_cast<std::size_t>(*layer) + 1);
        else without = true;
    }
    return most + (without ? 1 : 0);
}

std::string padded(std::string text, std::size_t columns)
{
    const std::size_t have = columns_of(text);
    if (have < columns) text.append(columns - have, ' ');
    return text;
}

// What each node waits for, in words, by its id.
std::map<std::string, std::string, std::less<>> needs_of(const json::value& shown)
{
    std::map<std::string, std::string, std::less<>> needs;
    const json::array* edges = array_at(shown, "edges");
    if (!edges) return needs;
    for (const json::value& edge : *edges) {
        std::string& text = needs[text_at(edge, "to")];
        if (!text.empty()) text += ", ";
        const std::string type = text_at(edge, "type");
        const std::string condition = text_at(edge, "condition");
        text += type == "FALLBACK" ? "instead of " + text_at(edge, "from") : text_at(edge, "from");
        if (type == "COMPLETION" || type == "DATA_READY") text += fmt::format(" ({})", type);
        if (!condition.empty()) text += fmt::format(" if {}", condition);
    }
    return needs;
}

std::string time_of(const json::value& node)
{
    const auto length = time_between(text_at(node, "started_time"), text_at(node, "completed_time"));
    return length ? human_duration(*length) : std::string{};
}

// Why it has failed, how far its list has come, what it needs.
std::string remarks_of(const json::value& node, const std::map<std::string, std::string, std::less<>>& needs, bool unicode)
{
    std::string text;
    const auto add = [&text](const std::string& more) { text += (text.empty() ? "" : "  ") + more; };
    if (const auto at = needs.find(text_at(node, "node_id").empty() ? text_at(node, "job_id") : text_at(node, "node_id")); at != needs.end()) {
        add((unicode ? "← " : "<- ") + at->second);
    }
    if (flag_at(node, "gate")) add("gate");
    if (number_at(node, "items")) add(fmt::format("{} of {} items", count_at(node, "items_ended"), count_at(node, "items")));
    else if (flag_at(node, "for_each")) add("for each");
    if (!text_at(node, "kept_from").empty()) add("kept");
    const std::string status = text_at(node, "status");
    if (has_failed(status) || status == "CANCELLED") {
        const std::string code = text_at(node, "error_code");
        const std::string message = text_at(node, "error_message");
        if (!code.empty()) add(message.empty() ? code : code + ": " + message);
    }
    return text;
}

class drawing {
public:
    drawing(const json::value& shown, const terminal_style& style) : shown_(shown), style_(style), layers_(layer_count(shown)) {}

    std::string single_nodes()
    {
        const auto needs = needs_of(shown_);
        std::size_t id_columns = 0;
        bool states = false;
        bool times = false;
        for (const json::value& node : nodes_of(shown_)) {
            id_columns = std::max(id_columns, columns_of(id_of(node)));
            states = states || !text_at(node, "status").empty();
            times = times || !time_of(node).empty();
        }
        id_columns = std::min(id_columns, widest_id);
        std::vector<std::vector<const json::value*>> by_layer(layers_);
        for (const json::value& node : nodes_of(shown_)) by_layer[layer_of(node, layers_ - 1)].push_back(&node);
        for (std::size_t layer = 0; layer < layers_; ++layer) {
            heading(layer);
            for (const json::value* node : by_layer[layer]) {
                const std::string status = text_at(*node, "status");
                begin(style_.unicode ? "│ " : "| ");
                piece(std::string(sign_of(status, style_.unicode)), colour_of_status(status));
                piece(" " + padded(shorten(id_of(*node), id_columns, style_.unicode), id_columns));
                if (states) piece("  " + padded(status, 9), colour_of_status(status));
                if (times) piece("  " + padded(time_of(*node), 7));
                if (const std::string remarks = remarks_of(*node, needs, style_.unicode); !remarks.empty()) piece("  " + printable(remarks), colour::dim);
                end();
            }
        }
        return std::move(out_);
    }

    std::string counts()
    {
        const auto all = layers_of(shown_);
        std::vector<std::vector<std::string>> failures(layers_);
        for (const json::value& node : nodes_of(shown_)) {
            auto& some = failures[layer_of(node, layers_ - 1)];
            if (has_failed(text_at(node, "status")) && some.size() < most_named_failures) some.push_back(id_of(node));
        }
        for (std::size_t layer = 0; layer < layers_; ++layer) {
            const auto& one = all[layer];
            begin(padded(fmt::format("layer {}", layer), 11));
            const std::string nodes = counted(one.nodes, "node");
            piece(padded(nodes, 14));
            const bool has_states = !one.by_status.empty();
            if (has_states) piece(bar(one) + "  ");
            bool first = true;
            for (const auto& [status, n] : one.by_status) {
                piece(fmt::format("{}{} {}", first ? "" : ", ", n, status), colour_of_status(status));
                first = false;
            }
            end();
            if (failures[layer].empty()) continue;
            begin(std::string(11, ' '));
            std::string names;
            for (const std::string& name : failures[layer]) names += (names.empty() ? "" : ", ") + name;
            if (one.failed > failures[layer].size()) names += fmt::format(" and {} more", one.failed - failures[layer].size());
            piece("failed: " + printable(names), colour::red);
            end();
        }
        return std::move(out_);
    }

private:
    static std::string id_of(const json::value& node)
    {
        const std::string id = text_at(node, "node_id");
        return printable(id.empty() ? text_at(node, "job_id") : id);
    }

    std::string bar(const layer_counts& one) const
    {
        const std::size_t filled = one.nodes == 0 ? bar_columns : one.ended * bar_columns / one.nodes;
        std::string text = "[";
        for (std::size_t i = 0; i < bar_columns; ++i) text += i < filled ? (style_.unicode ? "█" : "#") : (style_.unicode ? "░" : "-");
        return text + "]";
    }

    void heading(std::size_t layer)
    {
        const bool unicode = style_.unicode;
        begin(layer == 0 ? (unicode ? "┌ " : "+ ") : (unicode ? "├ " : "+ "));
        const bool orderless = layer + 1 == layers_ && std::any_of(nodes_of(shown_).begin(), nodes_of(shown_).end(), [](const json::value& n) { return !number_at(n, "layer"); });
        piece(orderless ? std::string("on a cycle, or behind one") : fmt::format("layer {}", layer), colour::bold);
        end();
    }

    void begin(std::string_view text)
    {
        used_ = columns_of(text);
        out_ += text;
    }
    // As much of it as there is room for.
    void piece(std::string text, colour shade = colour::none)
    {
        if (style_.width > 0) {
            const auto width = static_cast<std::size_t>(style_.width);
            text = shorten(text, width > used_ ? width - used_ : 0, style_.unicode);
        }
        used_ += columns_of(text);
        if (!text.empty()) out_ += paint(std::move(text), shade, style_.out_colour);
    }
    void end()
    {
        while (out_.ends_with(' ')) out_.pop_back();
        out_ += '\n';
    }

    const json::value& shown_;
    const terminal_style& style_;
    std::size_t layers_;
    std::string out_{};
    std::size_t used_ = 0;
};

}

bool is_end_of_node(std::string_view status)
{
    return status == "COMPLETED" || status == "FAILED" || status == "TIMEOUT" || status == "CANCELLED" || status == "SKIPPED";
}

bool plan_run_has_ended(const json::value& run)
{
    const std::string status = text_at(run, "status");
    return status == "COMPLETED" || status == "FAILED" || status == "CANCELLED";
}

exit_code exit_code_of_plan_run(const json::value& run)
{
    return text_at(run, "status") == "COMPLETED" ? exit_code::success : exit_code::execution_failed;
}

std::string one_line_of_plan_run(const json::value& run)
{
    std::string line = fmt::format("{}: {} of {} ended", text_at(run, "status"), count_at(run, "nodes_ended"), counted(count_at(run, "node_count"), "node"));
    if (const std::size_t failed = count_at(run, "nodes_failed"); failed > 0) line += fmt::format(", {} failed", failed);
    if (const auto length = time_between(text_at(run, "created_time"), text_at(run, "completed_time"))) line += ", in " + human_duration(*length);
    return line;
}

table plan_run_table(const json::array& items, const terminal_style& style)
{
    constexpr int roomy = 100;
    const bool narrow = style.width > 0 && style.width < roomy;
    table shown({{"ID"}, {"PLAN", false, true}, {"STATUS"}, {"NODES", true}, {"FAILED", true, false, true}, {"STARTED (UTC)", false, false, true}, {"DURATION", true, false, true}});
    for (const json::value& one : items) {
        const std::string status = text_at(one, "status");
        std::string started = human_time(text_at(one, "created_time"));
        if (narrow && started.size() > 5) started.erase(0, 5);
        const auto length = time_between(text_at(one, "created_time"), text_at(one, "completed_time"));
        shown.add({{text_at(one, "plan_run_id")}, {text_at(one, "plan_id")}, {status, colour_of_status(status)},
                   {fmt::format("{}/{}", count_at(one, "nodes_ended"), count_at(one, "node_count"))}, {text_at(one, "nodes_failed")}, {std::move(started)},
                   {length ? human_duration(*length) : std::string{}}});
    }
    return shown;
}

field_list plan_run_fields(const json::value& run)
{
    field_list shown;
    const json::object* members = run.if_object();
    if (!members) return shown;
    for (const auto& member : *members) {
        const std::string name{member.key()};
        if (name == "nodes" || name == "edges" || name == "execution_order" || member.value().is_null()) continue;
        if (const json::object* inner = member.value().if_object(); inner && inner->empty()) continue;
        std::string text = text_at(member.value(), "");
        if (name == "critical_path") {
            text.clear();
            for (const json::value& node : *array_at(run, name)) text += (text.empty() ? "" : " -> ") + text_at(node, "");
            text = shorten(text, 200, false);
        }
        if (name == "status") shown.add(name, text, colour_of_status(text));
        else shown.add(name, name.ends_with("_time") ? human_time(text) : text);
    }
    return shown;
}

std::vector<layer_counts> layers_of(const json::value& shown)
{
    std::vector<layer_counts> all(layer_count(shown));
    for (const json::value& node : nodes_of(shown)) {
        layer_counts& one = all[layer_of(node, all.size() - 1)];
        const std::string status = text_at(node, "status");
        ++one.nodes;
        if (is_end_of_node(status)) ++one.ended;
        if (has_failed(status)) ++one.failed;
        if (status == "RUNNING") {
            one.items += count_at(node, "items");
            one.items_ended += count_at(node, "items_ended");
        }
        if (!status.empty()) ++one.by_status[status];
    }
    return all;
}

plan_bar bar_of(const std::vector<layer_counts>& layers)
{
    layer_counts all;
    std::size_t at = layers.size();                      // the first layer that has not ended
    for (std::size_t i = 0; i < layers.size(); ++i) {
        const auto& one = layers[i];
        all.nodes += one.nodes;
        all.ended += one.ended;
        all.failed += one.failed;
        all.items += one.items;
        all.items_ended += one.items_ended;
        if (one.ended < one.nodes) at = std::min(at, i);
    }
    std::string label = at < layers.size() ? fmt::format("layer {} ({}/{})", at, layers[at].ended, layers[at].nodes) : counted(layers.size(), "layer");
    if (all.failed > 0) label += fmt::format(", {} failed", all.failed);
    if (all.items > 0) return {label + ", items", all.items_ended, all.items};
    return {std::move(label), all.ended, all.nodes};
}

std::string draw_layers(const json::value& shown, const terminal_style& style)
{
    drawing drawn(shown, style);
    return nodes_of(shown).size() <= most_single_nodes ? drawn.single_nodes() : drawn.counts();
}

}
