{* Shown when the service is not active or its account is not on the router. *}
<link rel="stylesheet" href="{if isset($WEB_ROOT)}{$WEB_ROOT|escape}/{/if}modules/servers/turnpike/assets/turnpike.css?v={$turnpike.version|escape}">
<div class="turnpike">
    <div class="alert alert-warning" role="status">
        <strong>{$turnpikeLang.error_title|escape}</strong><br>
        {$turnpike.message|escape}
    </div>
</div>
