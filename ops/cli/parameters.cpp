#include "ops/cli/parameters.hpp"

#include "storage/model/json_text.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fmt/format.h>
#include <memory>
#include <optional>

namespace rowlock::ops {

namespace json = boost::json;

namespace {

struct closer {
    void operator()(std::FILE* file) const
    {
        if (file != stdin) std::fclose(file);
    }
};

struct name_and_value {
    std::string name;
    std::string value;
};

std::optional<name_and_value> split_pair(const std::string& pair)
{
    const std::size_t equals = pair.find('=');
    if (equals == std::string::npos || equals == 0) return std::nullopt;
    return name_and_value{pair.substr(0, equals), pair.substr(equals + 1)};
}

}

outcome_of<std::string> read_text_file(const std::string& path, std::size_t most)
{
    const std::unique_ptr<std::FILE, closer> file{path == "-" ? stdin : std::fopen(path.c_str(), "rbe")};
    if (!file) return bad_input(fmt::format("cannot open {}: {}", path, std::strerror(errno)));
    std::string text;
    char piece[65'536];
    while (const std::size_t n = std::fread(piece, 1, sizeof piece, file.get())) {
        text.append(piece, n);
        if (text.size() > most) return bad_input(fmt::format("{} is larger than {} MiB", path, most >> 20));
    }
    if (std::ferror(file.get())) return bad_input(fmt::format("cannot read {}: {}", path, std::strerror(errno)));
    return text;
}

outcome_of<json::object> read_parameters(const std::string& whole, const std::vector<std::string>& pairs)
{
    json::object parameters;
    if (!whole.empty()) {
        std::string text = whole;
        if (whole.starts_with('@')) {
            auto file = read_text_file(whole.substr(1));
            if (!file) return file.error();
            text = std::move(*file);
        }
        auto value = parse_json(text);
        if (!value) return bad_input(fmt::format("--parameters: {}", value.error().detail));
        if (!value->is_object()) return bad_input("--parameters: must be a JSON object, as in '{\"n\": 1}'");
        parameters = std::move(value->get_object());
    }
    for (const std::string& pair : pairs) {
        auto split = split_pair(pair);
        if (!split) return bad_input(fmt::format("-p {}: must be NAME=VALUE", pair));
        auto value = parse_json(split->value);
        parameters[split->name] = value ? std::move(*value) : json::value(split->value);
    }
    return parameters;
}

outcome_of<json::object> read_tags(const std::vector<std::string>& pairs)
{
    json::object tags;
    for (const std::string& pair : pairs) {
        const auto split = split_pair(pair);
        if (!split) return bad_input(fmt::format("--tag {}: must be NAME=VALUE", pair));
        tags[split->name] = split->value;
    }
    return tags;
}

}
