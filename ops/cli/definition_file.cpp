#include "ops/cli/definition_file.hpp"

#include "ops/cli/json_read.hpp"
#include "ops/cli/parameters.hpp"
#include "storage/model/ids.hpp"
#include "storage/model/json_text.hpp"

#include <fmt/format.h>
#include <map>

namespace rowlock::ops {

namespace json = boost::json;

namespace {

std::string position(const std::string& file, int line)
{
    return fmt::format("{}:{}", file, line);
}

// Two files that define one job would overwrite each other in an order that nobody chose.
void find_twins(definition_set& set)
{
    std::map<std::string, const definition*> first;
    for (const definition& d : set.definitions) {
        const auto [found, is_first] = first.emplace(d.job_id, &d);
        if (is_first) continue;
        const definition& other = *found->second;
        set.complaints.push_back(fmt::format("{}: job_id: is defined at {} already (\"{}\")", position(d.file, d.document.line_of("job_id")),
                                             position(other.file, other.document.line_of("job_id")), d.job_id));
    }
}

}

std::string definition::complaint(const field_error& field) const
{
    return fmt::format("{}: {}", position(file, document.line_of(field.field)), field_line(field));
}

definition_set read_definitions(const std::string& file, std::string_view text)
{
    definition_set set;
    auto documents = parse_yaml(text);
    if (!documents) {
        const yaml_error& e = documents.error();
        set.complaints.push_back(fmt::format("{}:{}:{}: {}", file, e.line, e.column, e.message));
        return set;
    }
    if (documents->empty()) set.complaints.push_back(fmt::format("{}: there is no definition in it", position(file, 1)));
    for (yaml_document& document : *documents) {
        definition one{file, text_at(document.value, "job_id"), {}, std::move(document)};
        if (!one.document.value.is_object()) {
            set.complaints.push_back(fmt::format("{}: a definition must be a map", position(file, one.document.line)));
            continue;
        }
        one.body = std::move(one.document.value.get_object());
        const json::value* id = one.body.if_contains("job_id");
        if (!id) {
            set.complaints.push_back(one.complaint({"job_id", "", "is missing"}));
        } else if (!id->is_string() || !is_slug(one.job_id)) {
            set.complaints.push_back(one.complaint({"job_id", to_text(*id), "must be letters a-z, digits, '.', '_', '-', 1 to 128 of them, begun by a letter or digit"}));
        } else {
            set.definitions.push_back(std::move(one));
        }
    }
    return set;
}

definition_set load_definitions(const std::vector<std::string>& files)
{
    definition_set all;
    for (const std::string& file : files) {
        auto text = read_text_file(file);
        if (!text) {
            all.complaints.push_back(text.error().title);
            continue;
        }
        definition_set one = read_definitions(file == "-" ? "stdin" : file, *text);
        for (definition& d : one.definitions) all.definitions.push_back(std::move(d));
        all.complaints.insert(all.complaints.end(), one.complaints.begin(), one.complaints.end());
    }
    find_twins(all);
    return all;
}

}
