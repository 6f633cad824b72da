<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Turnpike;

/**
 * The statistics page as template variables: two charts, the same figures as tables, and as files.
 *
 * A file is a link that holds its content (`data:`). So there is no further address that would have to check anew who
 * asks for whose figures.
 */
final class Statistics
{
    /** Member of the answer, the name of its rows' label, what such a label looks like. */
    private const KINDS = [
        'days' => ['date', '/^\d{4}-\d\d-\d\d$/D'],
        'months' => ['month', '/^\d{4}-\d\d$/D'],
    ];

    /**
     * @return array<string, array<string, mixed>>
     */
    public static function of(Answer $answer, Lang $lang, int $serviceId): array
    {
        $gigabyte = Figures::gigabyte($answer->part('traffic')['bytes_per_gb'] ?? null);
        $charts = $answer->part('charts');
        $found = [];
        foreach (self::KINDS as $kind => [$label, $form]) {
            $figures = self::figures($answer->part('statistics')[$kind] ?? null, $label, $form);
            $isCounted = false;
            $rows = [];
            foreach (array_reverse($figures) as [$name, $download, $upload, $countedDown, $countedUp]) {
                $isCounted = $isCounted || [$download, $upload] !== [$countedDown, $countedUp];
                $rows[] = [
                    'label' => $name,
                    'download' => Figures::gigabytes($download, $gigabyte),
                    'upload' => Figures::gigabytes($upload, $gigabyte),
                    'total' => Figures::gigabytes($download + $upload, $gigabyte),
                    'counted' => Figures::gigabytes($countedDown + $countedUp, $gigabyte),
                ];
            }
            $found[$kind] = [
                'id' => $kind,
                'title' => $lang->get("statistics_$kind"),
                'label' => $lang->get("column_$label"),
                'rows' => $rows,
                'counted' => $isCounted,
                'svg' => $rows === [] ? '' : Svg::checked($charts["{$kind}_svg"] ?? ''),
                'file' => $rows === [] ? '' : self::file($label, $figures, $isCounted),
                'file_name' => "traffic-$serviceId-$kind.csv",
            ];
        }
        return $found;
    }

    /**
     * @param mixed $rows
     * @return array<int, array{string, int, int, int, int}> label, download and upload in bytes, what counts of each
     */
    private static function figures($rows, string $label, string $form): array
    {
        $figures = [];
        foreach (is_array($rows) ? $rows : [] as $row) {
            $name = is_array($row) ? ($row[$label] ?? null) : null;
            if (is_string($name) && preg_match($form, $name) === 1) {
                $bytes = static function (string $way, int $otherwise = 0) use ($row): int {
                    return is_int($row[$way] ?? null) ? max(0, $row[$way]) : $otherwise;
                };
                $download = $bytes('download_bytes');
                $upload = $bytes('upload_bytes');
                $figures[] = [$name, $download, $upload, $bytes('counted_download_bytes', $download),
                    $bytes('counted_upload_bytes', $upload)];
            }
        }
        return $figures;
    }

    /**
     * Comma-separated values (RFC 4180) in bytes. Every cell is a date or a number, so none can be a formula.
     *
     * @param array<int, array{string, int, int, int, int}> $figures
     */
    private static function file(string $label, array $figures, bool $isCounted): string
    {
        $lines = ["$label,download_bytes,upload_bytes"
            . ($isCounted ? ',counted_download_bytes,counted_upload_bytes' : '')];
        foreach ($figures as $row) {
            $lines[] = implode(',', $isCounted ? $row : array_slice($row, 0, 3));
        }
        return 'data:text/csv;charset=utf-8;base64,' . base64_encode(implode("\r\n", $lines) . "\r\n");
    }
}
