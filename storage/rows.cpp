#include "storage/rows.hpp"

#include <charconv>
#include <stdexcept>
#include <string>

namespace rowlock::storage {

execution_id id_of(const pqxx::field& f)
{
    const auto id = execution_id::parse({f.c_str(), f.size()});
    if (!id) throw std::logic_error(std::string("not a uuid: ") + f.c_str());
    return *id;
}

std::vector<execution_id> ids_of(const pqxx::field& array)
{
    std::vector<execution_id> ids;
    if (array.is_null()) return ids;
    // {uuid,uuid,...}: a uuid is never quoted.
    const std::string_view text{array.c_str(), array.size()};
    for (std::size_t at = 1; at + 36 < text.size(); at += 37) {
        const auto id = execution_id::parse(text.substr(at, 36));
        if (!id) throw std::logic_error("not an array of uuids");
        ids.push_back(*id);
    }
    return ids;
}

std::vector<std::int64_t> numbers_of(const pqxx::field& array)
{
    std::vector<std::int64_t> numbers;
    if (array.is_null()) return numbers;
    // {1,-2,...}
    const char* at = array.c_str() + 1;
    const char* const end = array.c_str() + array.size();
    while (end - at > 1) {
        std::int64_t n = 0;
        const auto [after, error] = std::from_chars(at, end, n);
        if (error != std::errc{} || after == end) throw std::logic_error("not an array of numbers");
        numbers.push_back(n);
        at = after + 1;
    }
    return numbers;
}

std::vector<bool> truths_of(const pqxx::field& array)
{
    std::vector<bool> truths;
    if (array.is_null()) return truths;
    // {t,f,...}
    const std::string_view text{array.c_str(), array.size()};
    for (std::size_t at = 1; at + 1 < text.size(); at += 2) truths.push_back(text[at] == 't');
    return truths;
}

timestamp time_of(const pqxx::field& f)
{
    // 2026-01-31 09:30:00.123456+00, as the session's settings have it.
    std::string text = f.c_str();
    if (text.size() > 3 && text.compare(text.size() - 3, 3, "+00") == 0) text.replace(text.size() - 3, 3, "Z");
    const auto at = parse_rfc3339(text);
    if (!at) throw std::logic_error("not a time: " + text);
    return *at;
}

float as_age(std::chrono::milliseconds priority_age)
{
    return static_cast<float>(priority_age.count()) / 1000;
}

}
