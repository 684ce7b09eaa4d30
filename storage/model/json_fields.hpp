#pragma once

#include "storage/model/error.hpp"
#include "storage/model/json_text.hpp"
#include "storage/model/time.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rowlock {

// The kind that all of them are of; where they differ, invalid_request.
errc common_kind(const std::vector<field_error>& errors);

// Gathers what is refused in one body, so that all of it comes back at once.
class field_errors {
public:
    // A hostile body can have a million wrong members: this many are named, then one line says that there are more.
    static constexpr std::size_t most = 1000;

    // `given` is null where the member is missing. Long values are cut.
    void add(std::string path, const boost::json::value* given, std::string message, errc kind = errc::invalid_request);
    void add_missing(std::string path) { add(std::move(path), nullptr, "is required"); }
    // What was refused in a part of the body that was read by itself, and stands at `place`: its cycles are cycles of the whole. What was said
    // already is not said twice.
    void add_all(const error& part, std::string_view place);
    // Dependencies that form a cycle: these come first, and make the whole a dependency_cycle. `cycle` as field_error has it.
    void add_cycle(std::string path, std::vector<std::string> cycle);
    // What is at `path` was given as `name`: errors at it and below it say so.
    void was_given_as(std::string path, std::string name) { names_.emplace_back(std::move(path), std::move(name)); }

    bool empty() const { return errors_.empty(); }
    // Whatever is added now is left out, so it need not be worked out.
    bool full() const { return errors_.size() == most; }
    // Error invalid_request or dependency_cycle with all of them, or the kind that all of them are of. `subject` begins the sentence: "The definition of job ingest".
    error take(std::string_view subject) &&;

private:
    void insert_cycle(field_error cycle);

    std::vector<field_error> errors_;
    std::vector<std::pair<std::string, std::string>> names_;
    std::size_t cycles_ = 0;         // so many of them come first
    bool more_ = false;
};

struct text_bounds {
    std::size_t least = 1;           // characters, not bytes
    std::size_t most = 256;
};

struct list_bounds {
    std::size_t least = 0;
    std::size_t most = 64;
    text_bounds item{};
};

// Reads the members of one object: each reader finds its member, checks it, notes what is wrong, and puts what is right into
// `accepted` in one notation, under its own name even where it came under an alias. A member that is null counts as left out.
// Members that no reader has asked for are refused at the end. The object, the errors and `accepted` must outlive it.
class json_fields {
public:
    struct found {
        std::string_view name;                          // as it was given
        const boost::json::value* value = nullptr;      // null: left out
        explicit operator bool() const { return value != nullptr; }
    };

    json_fields(const boost::json::object& given, std::string path, field_errors& errors, boost::json::object& accepted)
        : given_(given), path_(std::move(path)), errors_(errors), accepted_(accepted) {}

    found find(std::string_view name, std::string_view alias = {});
    bool has(std::string_view name, std::string_view alias = {}) { return static_cast<bool>(find(name, alias)); }

    std::optional<std::string> text(std::string_view name, text_bounds bounds, std::string_view alias = {});
    std::optional<std::string> slug(std::string_view name);
    std::optional<std::string> choice(std::string_view name, std::span<const std::string_view> choices);
    std::optional<bool> boolean(std::string_view name);
    // Also takes 5.0, as 5.
    std::optional<std::int64_t> integer(std::string_view name, std::int64_t least, std::int64_t most, std::string_view alias = {});
    std::optional<double> number(std::string_view name, double least, double most, std::string_view alias = {});
    // Seconds with at most three decimals.
    std::optional<std::chrono::milliseconds> seconds(std::string_view name, std::chrono::milliseconds least, std::chrono::milliseconds most,
                                                     std::string_view alias = {});
    std::vector<std::string> texts(std::string_view name, list_bounds bounds, std::string_view alias = {});
    // Each of them one of `choices`.
    std::vector<std::string> choices(std::string_view name, std::span<const std::string_view> choices);
    std::vector<int> integers(std::string_view name, std::size_t most_items, int least, int most);
    // An object of strings. `refusal` says why a key or its value cannot be taken ("": it can); may be null.
    using entry_rule = std::string (*)(std::string_view key, std::string_view value);
    std::map<std::string, std::string> text_map(std::string_view name, std::size_t most_entries, text_bounds value, entry_rule refusal = nullptr);
    // Any object, as it is.
    std::optional<boost::json::object> free_object(std::string_view name);
    // Any value, as it is.
    std::optional<boost::json::value> any(std::string_view name);

    // An object with members of its own: `read(json_fields&)` asks for them. False where it is left out or not an object.
    template <class Read>
    bool object(std::string_view name, Read read, std::string_view alias = {})
    {
        const found f = find(name, alias);
        const boost::json::object* inner_given = as_object(f);
        if (!inner_given) return false;
        boost::json::object inner_accepted;
        json_fields inner(*inner_given, path_of_member(f.name), errors_, inner_accepted);
        read(inner);
        inner.refuse_rest();
        accept(name, std::move(inner_accepted));
        return true;
    }

    // An array of such objects; what is no object is refused.
    template <class Read>
    void objects(std::string_view name, std::size_t most_items, Read read)
    {
        const found f = find(name);
        const auto* list = as_array(f, 0, most_items, "objects");
        if (!list) return;
        boost::json::array all;
        for (std::size_t i = 0; i < list->size(); ++i) {
            const auto& item = (*list)[i];
            std::string path = path_of(path_of_member(f.name), i);
            if (!item.is_object()) {
                errors_.add(std::move(path), &item, "must be an object");
                continue;
            }
            boost::json::object inner_accepted;
            json_fields inner(item.get_object(), std::move(path), errors_, inner_accepted);
            read(inner);
            inner.refuse_rest();
            all.push_back(std::move(inner_accepted));
        }
        accept(name, std::move(all));
    }

    // What is to be stored under `name`; replaces what is there.
    void accept(std::string_view name, boost::json::value v);
    void refuse(const found& f, std::string message, errc kind = errc::invalid_request);
    void require(std::string_view name) { errors_.add_missing(path_of_member(name)); }
    // The member is known, but neither checked nor kept.
    void drop(std::string_view name) { known_.push_back(name); }
    // Refuses every member that nobody has asked for.
    void refuse_rest();

    std::string path_of_member(std::string_view name) const;
    const std::string& path() const { return path_; }
    field_errors& errors() { return errors_; }
    boost::json::object& accepted() { return accepted_; }

private:
    const boost::json::object* as_object(const found& f);
    const boost::json::array* as_array(const found& f, std::size_t least, std::size_t most, std::string_view of_what);

    const boost::json::object& given_;
    std::string path_;
    field_errors& errors_;
    boost::json::object& accepted_;
    std::vector<std::string_view> known_;
};

// Why `text` is not within `bounds`; empty: it is.
std::string refusal_of(std::string_view text, text_bounds bounds);
// Code points in valid UTF-8.
std::size_t count_characters(std::string_view text);

}
