#include "storage/json_paths.hpp"

#include <cstring>

namespace rowlock::storage {

namespace {

// Does this say something about what was given, and not about the server? 22: data, regular expressions among it. 42601: syntax.
bool is_about_the_input(const pqxx::sql_error& e)
{
    const auto state = sqlstate_of(e);
    return state.starts_with("22") || state == "42601";
}

// The message without its severity, and without the lines about where in the statement it happened.
std::string message_of(const pqxx::sql_error& e)
{
    std::string text = e.what();
    text = text.substr(0, text.find('\n'));
    constexpr std::string_view severity = "ERROR:";
    if (text.starts_with(severity)) text.erase(0, severity.size());
    text.erase(0, text.find_first_not_of(' '));
    return text;
}

const char* text_or_null(const std::string& text)
{
    return text.empty() ? nullptr : text.c_str();
}

}

constexpr statement refusal_of_path_statement{"refusal_of_path", "select $1::jsonpath"};

std::optional<std::string> refusal_of_path(session& s, const std::string& path)
{
    try {
        s.exec(refusal_of_path_statement, path);
        return std::nullopt;
    } catch (const pqxx::sql_error& e) {
        if (!is_about_the_input(e)) throw;
        return message_of(e);
    }
}

// Silent: what has no boolean answer is null, and so is what a path cannot do with this JSON. A null path asks nothing.
constexpr statement ask_json_statement{"ask_json", R"sql(
    select jsonb_path_match(j, $2::jsonpath, '{}', true), jsonb_path_match(j, $3::jsonpath, '{}', true),
           case when jsonb_typeof(p) = 'number' and p >= '0'::jsonb and p <= '1'::jsonb then p::float8 end
    from (select j, jsonb_path_query_first(j, $4::jsonpath, '{}', true) as p from (select $1::jsonb as j) x) y)sql"};

result<path_answers> ask_json(session& s, const std::string& json, const std::string& success, const std::string& failure, const std::string& progress)
{
    try {
        const auto row = s.exec(ask_json_statement, json, text_or_null(success), text_or_null(failure), text_or_null(progress))[0];
        path_answers answers;
        if (!row[0].is_null()) answers.success = row[0].as<bool>();
        if (!row[1].is_null()) answers.failure = row[1].as<bool>();
        if (!row[2].is_null()) answers.progress = row[2].as<double>();
        return answers;
    } catch (const pqxx::sql_error& e) {
        if (!is_about_the_input(e)) throw;
        return error{errc::invalid_request, message_of(e)};
    }
}

}
