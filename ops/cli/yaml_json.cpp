#include "ops/cli/yaml_json.hpp"

#include "ops/cli/human_text.hpp"
#include "storage/model/json_text.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <fmt/format.h>
#include <optional>
#include <sstream>
#include <unordered_map>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

namespace rowlock::ops {

namespace json = boost::json;

namespace {

// What a value costs: the place of the value itself, and its text.
constexpr std::size_t value_weight = 32;

struct refused {
    yaml_error what;
};

[[noreturn]] void refuse(const YAML::Mark& at, std::string message)
{
    throw refused{{at.line + 1, at.column + 1, std::move(message)}};
}

// A value with what copying it would cost.
struct node {
    json::value value;
    std::size_t weight = value_weight;
    std::size_t depth = 0;                          // 0: a scalar
};

// A map or sequence whose end has not come yet.
struct open_node {
    bool is_map;
    YAML::anchor_t anchor;
    std::string path;
    node made;
    std::optional<std::string> key{};               // of a map: read, and waiting for its value
    bool key_merges = false;                        // the key is <<
    int key_line = 0;
    json::array merged{};                           // what << named, in the order of precedence
    int merge_line = 0;
};

constexpr std::string_view core_tags = "tag:yaml.org,2002:";

bool is_collection_tag(const std::string& tag, std::string_view own)
{
    return tag.empty() || tag == "?" || tag == "!" || tag == std::string{core_tags} + std::string{own};
}

class builder : public YAML::EventHandler {
public:
    explicit builder(const yaml_limits& limits) : limits_(limits) {}

    std::vector<yaml_document> documents;

    void OnDocumentStart(const YAML::Mark& mark) override
    {
        // At a stray comma or bracket yaml-cpp ends a document before it has begun, again and again, without going on.
        if (mark.pos <= last_start_) refuse(mark, "this belongs to nothing");
        last_start_ = mark.pos;
        current_ = {};
        current_.line = mark.line + 1;              // of its "---", until it has a value
        open_.clear();
        anchors_.clear();
        weight_ = 0;
    }

    void OnDocumentEnd() override
    {
        if (!current_.value.is_null()) documents.push_back(std::move(current_));
    }

    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override
    {
        if (expects_key()) refuse(mark, "a key must be text");
        add(mark, anchor, {});
    }

    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& text) override
    {
        check_text(mark, text);
        if (expects_key()) {
            // Keys are their text, whatever it looks like: `8080: x` is the member "8080".
            remember(mark, anchor, node{json::value(text), value_weight + text.size()});
            take_key(mark, text, tag == "?" && text == "<<");
            return;
        }
        add(mark, anchor, node{read_scalar(mark, tag, text), value_weight + text.size()});
    }

    void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override
    {
        const auto found = anchors_.find(anchor);
        if (found == anchors_.end()) refuse(mark, "an alias may not stand inside of what it names");
        if (expects_key()) {
            if (!found->second.value.is_string()) refuse(mark, "a key must be text");
            take_key(mark, std::string{found->second.value.get_string()}, false);
            return;
        }
        check_depth(mark, found->second.depth);
        spend(mark, found->second.weight);
        note_line(mark, next_path());
        place(mark, found->second);
    }

    void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override
    {
        if (!is_collection_tag(tag, "seq")) refuse(mark, fmt::format("the tag {} is not known", tag));
        start(mark, anchor, false);
    }

    void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override
    {
        if (!is_collection_tag(tag, "map")) refuse(mark, fmt::format("the tag {} is not known", tag));
        start(mark, anchor, true);
    }

    void OnSequenceEnd() override { finish(); }

    void OnMapEnd() override
    {
        open_node& map = open_.back();
        json::object& members = map.made.value.get_object();
        // The map's own members stand over merged ones, earlier merged maps over later ones: emplace keeps what is there.
        for (const json::value& source : map.merged) {
            for (const auto& member : source.get_object()) {
                if (!members.emplace(member.key(), member.value()).second) continue;
                current_.lines.emplace(path_of(map.path, member.key()), map.merge_line);
            }
        }
        finish();
    }

private:
    bool expects_key() const { return !open_.empty() && open_.back().is_map && !open_.back().key; }

    // Where the value that comes next stands.
    std::string next_path() const
    {
        if (open_.empty()) return {};
        const open_node& around = open_.back();
        if (around.is_map) return path_of(around.path, *around.key);
        return path_of(around.path, around.made.value.get_array().size());
    }

    void take_key(const YAML::Mark& mark, const std::string& key, bool merges)
    {
        open_node& map = open_.back();
        if (merges ? map.merge_line != 0 : map.made.value.get_object().contains(key)) refuse(mark, fmt::format("the key {} stands here twice", key));
        map.key = key;
        map.key_merges = merges;
        map.key_line = mark.line + 1;
        if (merges) map.merge_line = map.key_line;
    }

    void start(const YAML::Mark& mark, YAML::anchor_t anchor, bool is_map)
    {
        if (expects_key()) refuse(mark, "a key must be text");
        check_depth(mark, 1);
        spend(mark, value_weight);
        std::string path = next_path();
        note_line(mark, path);
        node made{is_map ? json::value(json::object{}) : json::value(json::array{})};
        made.depth = 1;
        open_.push_back({is_map, anchor, std::move(path), std::move(made)});
        starts_.push_back(mark);
    }

    void finish()
    {
        open_node done = std::move(open_.back());
        const YAML::Mark mark = starts_.back();
        open_.pop_back();
        starts_.pop_back();
        remember(mark, done.anchor, done.made);
        place(mark, std::move(done.made));
    }

    void add(const YAML::Mark& mark, YAML::anchor_t anchor, node scalar)
    {
        spend(mark, scalar.weight);
        note_line(mark, next_path());
        remember(mark, anchor, scalar);
        place(mark, std::move(scalar));
    }

    void place(const YAML::Mark& mark, node child)
    {
        if (open_.empty()) {
            current_.value = std::move(child.value);
            return;
        }
        open_node& around = open_.back();
        around.made.weight += child.weight;
        around.made.depth = std::max(around.made.depth, child.depth + 1);
        if (!around.is_map) {
            around.made.value.get_array().push_back(std::move(child.value));
            return;
        }
        if (around.key_merges) take_merge(mark, around, std::move(child.value));
        else around.made.value.get_object().emplace(*around.key, std::move(child.value));
        around.key.reset();
    }

    static void take_merge(const YAML::Mark& mark, open_node& map, json::value source)
    {
        if (source.is_object()) {
            map.merged.push_back(std::move(source));
            return;
        }
        const json::array* several = source.if_array();
        if (!several) refuse(mark, "<< takes a map or a list of maps");
        for (const json::value& one : *several) {
            if (!one.is_object()) refuse(mark, "<< takes a map or a list of maps");
            map.merged.push_back(one);
        }
    }

    void note_line(const YAML::Mark& mark, std::string path)
    {
        if (open_.empty()) current_.line = mark.line + 1;
        const bool member = !open_.empty() && open_.back().is_map;
        current_.lines.insert_or_assign(std::move(path), member ? open_.back().key_line : mark.line + 1);
    }

    // An anchor keeps a copy of what it names, which counts as well.
    void remember(const YAML::Mark& mark, YAML::anchor_t anchor, const node& named)
    {
        if (anchor == 0) return;
        spend(mark, named.weight);
        anchors_.insert_or_assign(anchor, named);
    }

    void check_depth(const YAML::Mark& mark, std::size_t more) const
    {
        if (open_.size() + more > limits_.depth) refuse(mark, fmt::format("nested more than {} deep", limits_.depth));
    }

    void spend(const YAML::Mark& mark, std::size_t weight)
    {
        weight_ += weight;
        if (weight_ > limits_.bytes) refuse(mark, fmt::format("with its aliases followed, the document exceeds {} MiB", limits_.bytes >> 20));
    }

    // The file is UTF-8, but yaml-cpp turns these two escapes into single bytes of Latin-1.
    static void check_text(const YAML::Mark& mark, std::string_view text)
    {
        while (!text.empty()) {
            const std::size_t length = utf8_sequence_length(text);
            if (length == 0) refuse(mark, "the escapes \\_ and \\N are not understood here: write \\u00a0 or \\u0085");
            text.remove_prefix(length);
        }
    }

    static json::value read_scalar(const YAML::Mark& mark, const std::string& tag, const std::string& text)
    {
        if (tag == "!" || tag == std::string{core_tags} + "str") return json::value(text);
        auto plain = read_plain_scalar(text);
        if (!plain) refuse(mark, plain.error().message);
        if (tag.empty() || tag == "?") return *plain;
        if (!tag.starts_with(core_tags)) refuse(mark, fmt::format("the tag {} is not known", tag));
        const std::string_view name = std::string_view{tag}.substr(core_tags.size());
        if (name == "int" && (plain->is_int64() || plain->is_uint64())) return *plain;
        if (name == "float" && plain->is_number()) return json::value(plain->to_number<double>());
        if (name == "bool" && plain->is_bool()) return *plain;
        if (name == "null" && plain->is_null()) return *plain;
        refuse(mark, fmt::format("{} is no !!{}", text, name));
    }

    yaml_limits limits_;
    yaml_document current_;
    std::vector<open_node> open_;
    std::vector<YAML::Mark> starts_;                // where each of open_ began
    std::unordered_map<YAML::anchor_t, node> anchors_;
    std::size_t weight_ = 0;
    int last_start_ = -1;                           // where the document before began
};

// yaml-cpp replaces broken UTF-8 silently; a definition must not change on its way in. Gives the offset of the first bad byte.
std::optional<std::size_t> first_bad_byte(std::string_view text)
{
    for (std::size_t i = 0; i < text.size();) {
        const auto c = static_cast<unsigned char>(text[i]);
        const bool control = (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F;
        const std::size_t length = utf8_sequence_length(text.substr(i));
        if (control || length == 0) return i;
        i += length;
    }
    return std::nullopt;
}

yaml_error bad_byte_at(std::string_view text, std::size_t offset)
{
    yaml_error what{1, 1, fmt::format("byte 0x{:02x} is not allowed: the file must be text in UTF-8", static_cast<unsigned char>(text[offset]))};
    for (std::size_t i = 0; i < offset; ++i) {
        ++what.column;
        if (text[i] != '\n') continue;
        ++what.line;
        what.column = 1;
    }
    return what;
}

}

int yaml_document::line_of(std::string_view path) const
{
    while (!path.empty()) {
        const auto found = lines.find(path);
        if (found != lines.end()) return found->second;
        const std::size_t cut = path.find_last_of(".[");
        path = cut == std::string_view::npos ? std::string_view{} : path.substr(0, cut);
    }
    return line;
}

boost::system::result<std::vector<yaml_document>, yaml_error> parse_yaml(std::string_view text, const yaml_limits& limits)
{
    if (const auto bad = first_bad_byte(text)) return bad_byte_at(text, *bad);
    builder made{limits};
    try {
        std::istringstream in{std::string{text}};
        YAML::Parser parser{in};
        while (parser.HandleNextDocument(made)) {}
    } catch (const refused& r) {
        return r.what;
    } catch (const YAML::ParserException& e) {
        return yaml_error{e.mark.line + 1, e.mark.column + 1, e.msg};
    }
    return std::move(made.documents);
}

}
