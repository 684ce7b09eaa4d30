#include "runtime/handlers/fd3_protocol.hpp"

#include "runtime/handlers/base64.hpp"
#include "runtime/handlers/readable.hpp"
#include "storage/model/json_text.hpp"

#include <fmt/format.h>

namespace rowlock::runtime {

namespace json = boost::json;

namespace {

constexpr std::size_t shown_bytes = 120;             // of a line in a complaint
constexpr std::size_t code_bytes = 128;
constexpr std::size_t message_bytes = 4000;
constexpr std::size_t stage_bytes = 200;

std::string_view view(const json::string& s)
{
    return {s.data(), s.size()};
}

std::optional<std::int64_t> as_count(const json::value& value)
{
    if (const auto* i = value.if_int64(); i != nullptr && *i >= 0) return *i;
    return std::nullopt;
}

}

void fd3_protocol::feed(std::string_view bytes, std::vector<fd3_event>& events)
{
    while (!bytes.empty()) {
        const auto newline = bytes.find('\n');
        const auto piece = bytes.substr(0, newline);
        const bool ends = newline != std::string_view::npos;
        bytes.remove_prefix(ends ? newline + 1 : bytes.size());

        if (!skipping_ && partial_.size() + piece.size() > limits_.line_bytes) {
            skipping_ = true;
            partial_ = {};
            complain(fmt::format("a line of more than {} bytes was ignored", limits_.line_bytes), events);
        }
        if (skipping_) {
            skipping_ = !ends;
        } else if (!ends) {
            partial_ += piece;
        } else if (partial_.empty()) {
            take_line(piece, events);
        } else {
            partial_ += piece;
            take_line(partial_, events);
            // A checkpoint may have been large: do not keep its room for lines that are small.
            partial_ = {};
        }
    }
}

void fd3_protocol::finish(std::vector<fd3_event>& events)
{
    if (!skipping_ && !partial_.empty()) take_line(partial_, events);
    partial_ = {};
    skipping_ = false;
}

void fd3_protocol::take_line(std::string_view line, std::vector<fd3_event>& events)
{
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) return;
    const auto value = parse_json(line);
    if (!value) return complain(fmt::format("a line is not JSON ({}): {}", value.error().detail, readable(line, shown_bytes)), events);
    if (!value->is_object()) return complain(fmt::format("a line is not a JSON object: {}", readable(line, shown_bytes)), events);
    if (find_nul(*value)) return complain("a line holds the character U+0000, which the database cannot keep", events);
    take_object(value->get_object(), events);
}

void fd3_protocol::take_object(const json::object& object, std::vector<fd3_event>& events)
{
    const auto wrong = [&](std::string_view name, std::string_view wanted, const json::value& value) {
        complain(fmt::format("`{}` must be {}, not {}", name, wanted, readable(to_text(value), shown_bytes)), events);
    };
    bool reports = false;
    for (const auto& [key, value] : object) {
        const std::string_view name{key.data(), key.size()};
        if (name == "heartbeat") {
            events.emplace_back(fd3_heartbeat{});
        } else if (name == "progress") {
            boost::system::error_code ec;
            const auto fraction = value.to_number<double>(ec);
            if (ec || !(fraction >= 0 && fraction <= 1)) wrong(name, "a number from 0 to 1", value);
            else events.emplace_back(fd3_progress{fraction});
        } else if (name == "checkpoint") {
            take_checkpoint(object, events);
        } else if (name == "stage") {
            if (!object.contains("checkpoint")) complain("`stage` stands only beside `checkpoint`", events);
        } else if (name == "output") {
            reports |= merge(report_.outputs, value, name, events);
        } else if (name == "metrics") {
            reports |= merge(report_.metrics, value, name, events);
        } else if (name == "records_processed" || name == "records_failed") {
            const auto count = as_count(value);
            if (!count) wrong(name, "a whole number from 0", value);
            else (name == "records_processed" ? report_.records_processed : report_.records_failed) = count;
            reports |= count.has_value();
        } else if (name == "error_code" || name == "error_message") {
            const auto* text = value.if_string();
            if (text == nullptr) wrong(name, "a string", value);
            else if (name == "error_code") report_.error_code = readable(view(*text), code_bytes);
            else report_.error_message = readable(view(*text), message_bytes);
            reports |= text != nullptr;
        } else if (name == "artifact") {
            const auto* text = value.if_string();
            if (text == nullptr || text->empty()) wrong(name, "the path of a file below ROWLOCK_RUN_DIR", value);
            else events.emplace_back(fd3_artifact{std::string(view(*text))});
        } else if (name == "add_nodes") {
            const auto* nodes = value.if_array();
            if (nodes == nullptr) wrong(name, "an array of nodes", value);
            else events.emplace_back(fd3_nodes{*nodes});
        } else {
            complain(fmt::format("`{}` is not known here", readable(name, shown_bytes)), events);
        }
    }
    if (reports) events.emplace_back(fd3_report_line{});
}

void fd3_protocol::take_checkpoint(const json::object& object, std::vector<fd3_event>& events)
{
    const auto* text = object.at("checkpoint").if_string();
    if (text == nullptr) return complain("`checkpoint` must be a string in base64", events);
    auto bytes = from_base64(view(*text));
    if (!bytes) return complain("`checkpoint` is not base64 (RFC 4648, with padding, without line breaks)", events);
    checkpoint_data made{.bytes = std::move(*bytes)};
    if (const auto* stage = object.if_contains("stage")) {
        const auto* stage_text = stage->if_string();
        if (stage_text == nullptr) return complain("`stage` must be a string: the checkpoint was ignored", events);
        made.stage = readable(view(*stage_text), stage_bytes);
    }
    events.emplace_back(std::move(made));
}

// False: nothing was taken.
bool fd3_protocol::merge(json::object& into, const json::value& from, std::string_view name, std::vector<fd3_event>& events)
{
    const auto* members = from.if_object();
    if (members == nullptr) {
        complain(fmt::format("`{}` must be an object", name), events);
        return false;
    }
    // What is replaced still counts: the bound is on what a job may say, and needs no second look at what it said.
    const auto size = to_text(from).size();
    if (report_bytes_ + size > limits_.report_bytes) {
        report_.over_limit = true;
        complain(fmt::format("`{}` was dropped: outputs and metrics together may have {} bytes", name, limits_.report_bytes), events);
        return false;
    }
    report_bytes_ += size;
    for (const auto& [key, value] : *members) into.insert_or_assign(key, value);
    return true;
}

void fd3_protocol::complain(std::string text, std::vector<fd3_event>& events)
{
    ++complaints_;
    if (complaints_ > limits_.complaints + 1) return;
    if (complaints_ == limits_.complaints + 1) text = "more lines were ignored; they are not listed";
    events.emplace_back(fd3_complaint{"file descriptor 3: " + std::move(text)});
}

}
