#include "storage/model/json_fields.hpp"

#include "storage/model/ids.hpp"
#include "storage/model/json_text.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/string.hpp>
#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace rowlock {

namespace json = boost::json;

namespace {

std::string_view view(const json::string& s)
{
    return {s.data(), s.size()};
}

// The JSON text of a refused value, short enough for an answer.
std::string shown(const json::value& v)
{
    constexpr std::size_t longest = 200;
    std::string text = to_text(v);
    if (text.size() <= longest) return text;
    std::size_t end = longest;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    text.resize(end);
    text += "...";
    return text;
}

std::string plain(double d)
{
    return d == std::floor(d) && std::fabs(d) < 1e15 ? fmt::format("{}", static_cast<std::int64_t>(d)) : fmt::format("{}", d);
}

std::string plain_seconds(std::chrono::milliseconds ms)
{
    return plain(static_cast<double>(ms.count()) / 1000);
}

std::optional<double> to_double(const json::value& v)
{
    if (const auto* i = v.if_int64()) return static_cast<double>(*i);
    if (const auto* u = v.if_uint64()) return static_cast<double>(*u);
    if (const auto* d = v.if_double()) return *d;
    return std::nullopt;
}

std::optional<std::int64_t> to_integer(const json::value& v)
{
    if (const auto* i = v.if_int64()) return *i;
    if (const auto* d = v.if_double(); d && *d == std::floor(*d) && std::fabs(*d) <= 9007199254740992.0) return static_cast<std::int64_t>(*d);
    return std::nullopt;
}

}

errc common_kind(const std::vector<field_error>& errors)
{
    const bool alike = !errors.empty() && std::all_of(errors.begin(), errors.end(), [&errors](const field_error& e) { return e.kind == errors.front().kind; });
    return alike ? errors.front().kind : errc::invalid_request;
}

void field_errors::add(std::string path, const json::value* given, std::string message, errc kind)
{
    if (errors_.size() == most) {
        more_ = true;
        return;
    }
    for (const auto& [at, name] : names_) {
        const bool below = path.starts_with(at) && (path.size() == at.size() || path[at.size()] == '[' || path[at.size()] == '.');
        if (below) path.replace(0, at.size(), name);
    }
    errors_.push_back({std::move(path), given ? shown(*given) : std::string(), std::move(message), {}, kind});
}

void field_errors::add_all(const error& part, std::string_view place)
{
    for (const auto& each : part.fields) {
        // For a cycle another error makes room. What is left out anyway is not looked for.
        if (full() && (each.cycle_path.empty() || cycles_ == most)) {
            more_ = true;
            continue;
        }
        const bool below = !place.empty() && !each.field.empty() && !each.field.starts_with('[');
        field_error here = each;
        here.field = fmt::format("{}{}{}", place, below ? "." : "", each.field);
        if (std::find(errors_.begin(), errors_.end(), here) != errors_.end()) continue;
        if (here.cycle_path.empty()) errors_.push_back(std::move(here));
        else insert_cycle(std::move(here));
    }
}

void field_errors::add_cycle(std::string path, std::vector<std::string> cycle)
{
    // A long cycle is whole in cycle_path; a sentence is for reading.
    constexpr std::size_t shown_ids = 20;
    std::string told = fmt::format("{}", fmt::join(cycle.begin(), cycle.begin() + static_cast<std::ptrdiff_t>(std::min(cycle.size(), shown_ids)), " -> "));
    if (cycle.size() > shown_ids) told += fmt::format(" -> ... ({} in all) -> {}", cycle.size() - 1, cycle.back());
    insert_cycle({std::move(path), "", fmt::format("closes a cycle: {}; remove one of its edges", told), std::move(cycle)});
}

void field_errors::insert_cycle(field_error cycle)
{
    if (full()) {
        more_ = true;
        if (cycles_ == most) return;
        errors_.pop_back();
    }
    errors_.insert(errors_.begin() + static_cast<std::ptrdiff_t>(cycles_), std::move(cycle));
    ++cycles_;
}

error field_errors::take(std::string_view subject) &&
{
    if (more_) errors_.push_back({"", "", fmt::format("has more than {} errors; the rest are left out", most)});
    std::string detail(subject);
    if (errors_.size() == 1) {
        const auto& only = errors_.front();
        detail += fmt::format(" is refused: {} {}", only.field.empty() ? "it" : only.field, only.message);
        if (!only.value.empty()) detail += fmt::format(" (given: {})", only.value);
        detail += '.';
    } else {
        detail += fmt::format(" has {} errors: see `errors` for each.", errors_.size());
    }
    return {cycles_ > 0 ? errc::dependency_cycle : common_kind(errors_), std::move(detail), std::move(errors_)};
}

std::size_t count_characters(std::string_view text)
{
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string refusal_of(std::string_view text, text_bounds bounds)
{
    const std::size_t n = count_characters(text);
    if (n >= bounds.least && n <= bounds.most) return {};
    if (n == 0) return "must not be empty";
    return fmt::format("must have {} to {} characters, not {}", bounds.least, bounds.most, n);
}

std::string json_fields::path_of_member(std::string_view name) const
{
    return path_of(path_, name);
}

json_fields::found json_fields::find(std::string_view name, std::string_view alias)
{
    known_.push_back(name);
    const auto* v = given_.if_contains(name);
    if (v && v->is_null()) v = nullptr;
    if (alias.empty()) return {name, v};
    known_.push_back(alias);
    const auto* other = given_.if_contains(alias);
    if (!other || other->is_null()) return {name, v};
    if (!v) return {alias, other};
    if (*v != *other) refuse({alias, other}, fmt::format("is another name of {}, which is given too and says otherwise; give one of them", name));
    return {name, v};
}

void json_fields::refuse(const found& f, std::string message, errc kind)
{
    errors_.add(path_of_member(f.name), f.value, std::move(message), kind);
}

void json_fields::accept(std::string_view name, json::value v)
{
    accepted_.insert_or_assign(name, std::move(v));
}

void json_fields::refuse_rest()
{
    for (const auto& member : given_) {
        const std::string_view name(member.key().data(), member.key().size());
        if (std::find(known_.begin(), known_.end(), name) != known_.end()) continue;
        errors_.add(path_of_member(name), &member.value(), "is not a known field; check its spelling or leave it out");
    }
}

std::optional<std::string> json_fields::text(std::string_view name, text_bounds bounds, std::string_view alias)
{
    const found f = find(name, alias);
    if (!f) return std::nullopt;
    const auto* s = f.value->if_string();
    if (!s) {
        refuse(f, "must be a string");
        return std::nullopt;
    }
    if (auto why = refusal_of(view(*s), bounds); !why.empty()) {
        refuse(f, std::move(why));
        return std::nullopt;
    }
    accept(name, *s);
    return std::string(view(*s));
}

std::optional<std::string> json_fields::slug(std::string_view name)
{
    const found f = find(name);
    if (!f) return std::nullopt;
    const auto* s = f.value->if_string();
    if (!s || !is_slug(view(*s))) {
        refuse(f, "must be 1 to 128 of a-z, 0-9, '.', '_', '-', beginning with a letter or digit");
        return std::nullopt;
    }
    accept(name, *s);
    return std::string(view(*s));
}

std::optional<std::string> json_fields::choice(std::string_view name, std::span<const std::string_view> choices)
{
    const found f = find(name);
    if (!f) return std::nullopt;
    const auto* s = f.value->if_string();
    if (!s || std::find(choices.begin(), choices.end(), view(*s)) == choices.end()) {
        refuse(f, fmt::format("must be one of {}", fmt::join(choices, ", ")));
        return std::nullopt;
    }
    accept(name, *s);
    return std::string(view(*s));
}

std::optional<bool> json_fields::boolean(std::string_view name)
{
    const found f = find(name);
    if (!f) return std::nullopt;
    const auto* b = f.value->if_bool();
    if (!b) {
        refuse(f, "must be true or false");
        return std::nullopt;
    }
    accept(name, *b);
    return *b;
}

std::optional<std::int64_t> json_fields::integer(std::string_view name, std::int64_t least, std::int64_t most, std::string_view alias)
{
    const found f = find(name, alias);
    if (!f) return std::nullopt;
    const auto i = to_integer(*f.value);
    if (!i || *i < least || *i > most) {
        refuse(f, fmt::format("must be an integer from {} to {}", least, most));
        return std::nullopt;
    }
    accept(name, *i);
    return i;
}

std::optional<double> json_fields::number(std::string_view name, double least, double most, std::string_view alias)
{
    const found f = find(name, alias);
    if (!f) return std::nullopt;
    const auto d = to_double(*f.value);
    if (!d || !(*d >= least && *d <= most)) {
        refuse(f, fmt::format("must be a number from {} to {}", plain(least), plain(most)));
        return std::nullopt;
    }
    // 2 and 2.0 are one number, and so one version of a definition.
    if (const auto whole = to_integer(*f.value)) accept(name, *whole);
    else accept(name, *d);
    return d;
}

std::optional<std::chrono::milliseconds> json_fields::seconds(std::string_view name, std::chrono::milliseconds least, std::chrono::milliseconds most,
                                                              std::string_view alias)
{
    const found f = find(name, alias);
    if (!f) return std::nullopt;
    const auto d = to_double(*f.value);
    // Compared before the conversion: a double beyond the range of an integer has no value there.
    const bool in_range = d && *d * 1000 >= static_cast<double>(least.count()) && *d * 1000 <= static_cast<double>(most.count());
    const bool exact = in_range && std::fabs(*d * 1000 - std::round(*d * 1000)) < 1e-4;
    if (!exact) {
        refuse(f, fmt::format("must be seconds from {} to {}, in steps of 0.001", plain_seconds(least), plain_seconds(most)));
        return std::nullopt;
    }
    const std::chrono::milliseconds ms{std::llround(*d * 1000)};
    if (ms.count() % 1000 == 0) accept(name, ms.count() / 1000);
    else accept(name, static_cast<double>(ms.count()) / 1000);
    return ms;
}

const json::object* json_fields::as_object(const found& f)
{
    if (!f) return nullptr;
    const auto* o = f.value->if_object();
    if (!o) refuse(f, "must be an object");
    return o;
}

const json::array* json_fields::as_array(const found& f, std::size_t least, std::size_t most, std::string_view of_what)
{
    if (!f) return nullptr;
    const auto* a = f.value->if_array();
    if (a && a->size() >= least && a->size() <= most) return a;
    const auto size = least == 0 ? fmt::format("at most {}", most) : fmt::format("{} to {}", least, most);
    refuse(f, fmt::format("must be an array of {} {}", size, of_what));
    return nullptr;
}

std::vector<std::string> json_fields::texts(std::string_view name, list_bounds bounds, std::string_view alias)
{
    const found f = find(name, alias);
    const auto* a = as_array(f, bounds.least, bounds.most, "strings");
    if (!a) return {};
    std::vector<std::string> all;
    all.reserve(a->size());
    for (std::size_t i = 0; i < a->size(); ++i) {
        const auto* s = (*a)[i].if_string();
        auto why = s ? refusal_of(view(*s), bounds.item) : "must be a string";
        if (why.empty()) all.emplace_back(view(*s));
        else errors_.add(path_of(path_of_member(f.name), i), &(*a)[i], std::move(why));
    }
    accept(name, json::value(*a, json::storage_ptr()));
    return all;
}

std::vector<std::string> json_fields::choices(std::string_view name, std::span<const std::string_view> choices)
{
    const found f = find(name);
    const auto* a = as_array(f, 0, choices.size(), fmt::format("of {}", fmt::join(choices, ", ")));
    if (!a) return {};
    std::vector<std::string> all;
    for (std::size_t i = 0; i < a->size(); ++i) {
        const auto* s = (*a)[i].if_string();
        if (s && std::find(choices.begin(), choices.end(), view(*s)) != choices.end()) all.emplace_back(view(*s));
        else errors_.add(path_of(path_of_member(f.name), i), &(*a)[i], fmt::format("must be one of {}", fmt::join(choices, ", ")));
    }
    accept(name, json::value(*a, json::storage_ptr()));
    return all;
}

std::vector<int> json_fields::integers(std::string_view name, std::size_t most_items, int least, int most)
{
    const found f = find(name);
    const auto* a = as_array(f, 0, most_items, "integers");
    if (!a) return {};
    std::vector<int> all;
    json::array whole;
    for (std::size_t i = 0; i < a->size(); ++i) {
        const auto n = to_integer((*a)[i]);
        if (n && *n >= least && *n <= most) {
            all.push_back(static_cast<int>(*n));
            whole.push_back(*n);
        } else {
            errors_.add(path_of(path_of_member(f.name), i), &(*a)[i], fmt::format("must be an integer from {} to {}", least, most));
        }
    }
    accept(name, std::move(whole));
    return all;
}

std::map<std::string, std::string> json_fields::text_map(std::string_view name, std::size_t most_entries, text_bounds bounds, entry_rule refusal)
{
    const found f = find(name);
    const auto* o = as_object(f);
    if (!o) return {};
    if (o->size() > most_entries) {
        refuse(f, fmt::format("must have at most {} entries, not {}", most_entries, o->size()));
        return {};
    }
    std::map<std::string, std::string> all;
    for (const auto& member : *o) {
        const std::string_view key(member.key().data(), member.key().size());
        const auto* s = member.value().if_string();
        std::string why = s ? refusal_of(view(*s), bounds) : "must be a string; put numbers and booleans in quotes";
        if (why.empty() && refusal) why = refusal(key, view(*s));
        if (why.empty()) all.emplace(key, view(*s));
        else errors_.add(path_of(path_of_member(f.name), key), &member.value(), std::move(why));
    }
    accept(name, json::value(*o, json::storage_ptr()));
    return all;
}

std::optional<json::object> json_fields::free_object(std::string_view name)
{
    const auto* o = as_object(find(name));
    if (!o) return std::nullopt;
    json::object copy(*o, json::storage_ptr());
    accept(name, json::value(copy, json::storage_ptr()));
    return copy;
}

std::optional<json::value> json_fields::any(std::string_view name)
{
    const found f = find(name);
    if (!f) return std::nullopt;
    // The given value may live in the memory of one request; what is kept must not.
    json::value copy(*f.value, json::storage_ptr());
    accept(name, json::value(copy, json::storage_ptr()));
    return copy;
}

}
