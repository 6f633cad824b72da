{* Daily and monthly traffic: a chart, and the same figures as a table and as a file. The chart alone is not escaped: Svg.php has written it. *}
<link rel="stylesheet" href="{if isset($WEB_ROOT)}{$WEB_ROOT|escape}/{/if}modules/servers/turnpike/assets/turnpike.css?v={$turnpike.version|escape}">
<div class="turnpike">
    <ul class="turnpike-tabs nav nav-tabs">
        {foreach $turnpike.tabs as $tab}
        <li class="nav-item{if $tab.active} active{/if}"><a class="nav-link{if $tab.active} active{/if}" href="{$tab.url|escape}"{if $tab.active} aria-current="page"{/if}>{$tab.label|escape}</a></li>
        {/foreach}
    </ul>
    {if !empty($turnpike.said.says)}
    <div class="alert alert-{$turnpike.said.level|escape}" role="status">{$turnpike.said.says|escape}</div>
    {/if}
    {foreach $turnpike.charts as $chart}
    <section class="card panel panel-default" aria-labelledby="turnpikeStatistics-{$chart.id|escape}">
        <div class="card-header panel-heading"><h3 class="card-title panel-title" id="turnpikeStatistics-{$chart.id|escape}">{$chart.title|escape}</h3></div>
        <div class="card-body panel-body">
            {if $chart.rows}
            {if $chart.svg}<div class="turnpike-figure">{$chart.svg}</div>{/if}
            {if $chart.counted}<p class="text-muted">{$turnpikeLang.counted_help|escape}</p>{/if}
            <details class="turnpike-table"{if !$chart.svg} open{/if}>
                <summary>{$turnpikeLang.figures|escape}</summary>
                <table class="table table-sm table-condensed">
                    <thead><tr><th scope="col">{$chart.label|escape}</th><th scope="col">{$turnpikeLang.download|escape}</th><th scope="col">{$turnpikeLang.upload|escape}</th><th scope="col">{$turnpikeLang.total|escape}</th>{if $chart.counted}<th scope="col">{$turnpikeLang.counted|escape}</th>{/if}</tr></thead>
                    <tbody>
                        {foreach $chart.rows as $row}
                        <tr><td>{$row.label|escape}</td><td>{$row.download|escape}</td><td>{$row.upload|escape}</td><td>{$row.total|escape}</td>{if $chart.counted}<td>{$row.counted|escape}</td>{/if}</tr>
                        {/foreach}
                    </tbody>
                </table>
            </details>
            <p class="turnpike-file"><a class="btn btn-default btn-sm" href="{$chart.file|escape}" download="{$chart.file_name|escape}">{$turnpikeLang.download_csv|escape}</a></p>
            {else}
            <p class="text-muted">{$turnpikeLang.no_statistics|escape}</p>
            {/if}
        </div>
    </section>
    {/foreach}
</div>
